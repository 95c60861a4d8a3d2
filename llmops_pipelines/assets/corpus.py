"""Documents: from files to clean texts, every item accounted for."""

import dagster as dg

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.home import Home

from .product import Product
from .showing import check_result, shown


def build(product: Product) -> list:
    """Assets `raw_documents` and `documents`, and the check that the ledger balances."""
    words = product.pipeline

    @product.asset(group="corpus", kinds={"file"}, code=corpus.CODES["raw_documents"])
    def raw_documents(home: Home) -> dg.MaterializeResult[Version]:
        """Every file of every source as it is now: where it lies, its size, the sha256 of its bytes.

        The bytes are kept once per content. A source that is empty, unreadable or has lost too many files stops the run.
        """
        return shown(corpus.discover(home.lake(product.name), words.documents, words.cleaning, product.project))

    @product.asset(group="corpus", kinds={"parquet"}, code=corpus.CODES["documents"], follows="raw_documents")
    def documents(raw_documents: Version, home: Home) -> dg.MaterializeResult[Version]:
        """Clean texts with title, language, licence and duplicate cluster; personal data replaced, drops listed with reasons.

        Each file is parsed once per content, in a child process with limits.
        """
        version = corpus.read(home.lake(product.name), raw_documents, words.documents, words.cleaning)
        return shown(version, also=["dropped"])

    @product.check("documents")
    def the_ledger_balances(documents: Version, raw_documents: Version) -> dg.AssetCheckResult:
        """Per source: discovered = indexed + skipped + quarantined + deleted."""
        return check_result(corpus.ledger_balances(documents, raw_documents))

    return [raw_documents, documents, the_ledger_balances]
