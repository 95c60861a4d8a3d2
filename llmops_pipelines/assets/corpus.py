"""Documents: from sources to clean texts, every item accounted for. What is done per source is partitioned by source."""

import dagster as dg

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.secrets import Secrets

from .product import ByPartition, Product
from .showing import check_result, shown, shown_by_partition

POOL = "corpus"  # one run at a time: of two, the one that read older parents might be the last to publish


def build(product: Product) -> list:
    """Assets `raw_documents` and `parsed_documents` per source, `documents` of all, and the check that the ledger balances."""
    words = product.pipeline

    @product.asset(group="corpus", kinds={"file"}, code=corpus.CODES["raw_documents"], partitions=product.by_source, pool=POOL)
    def raw_documents(context: dg.AssetExecutionContext, home: Home, secrets: Secrets) -> dg.MaterializeResult[ByPartition]:
        """Every item of a source as it is now: its name, its size, the sha256 of its bytes.

        The bytes are kept once per content. A source that is empty, unreadable or has lost too much stops the run.
        """
        lake = home.lake(product.name)
        found = {
            source.name: corpus.discover(lake, source, words.cleaning, product.project, secrets)
            for source in product.sources(context)
        }
        return shown_by_partition(context, found)

    @product.asset(
        group="corpus",
        kinds={"parquet"},
        code=corpus.CODES["parsed_documents"],
        follows="raw_documents",
        partitions=product.by_source,
        pool=POOL,
    )
    def parsed_documents(
        context: dg.AssetExecutionContext, raw_documents: ByPartition, home: Home
    ) -> dg.MaterializeResult[ByPartition]:
        """Clean texts of a source: personal data treated, what cannot be used listed with its reason.

        Each file is parsed once per content, in a child process with limits.
        """
        lake = home.lake(product.name)
        parsed = {name: corpus.parse(lake, raw, words.cleaning) for name, raw in raw_documents.items()}
        return shown_by_partition(context, parsed, also=["dropped"])

    @product.asset(group="corpus", kinds={"parquet"}, code=corpus.CODES["documents"], follows="parsed_documents", pool=POOL)
    def documents(parsed_documents: ByPartition, home: Home) -> dg.MaterializeResult[Version]:
        """The corpus: documents of all sources without near-duplicates, their duplicate clusters, and the ledger."""
        sources = [source.name for source in words.documents]
        version = corpus.gather(home.lake(product.name), sources, parsed_documents, words.cleaning)
        return shown(version, also=["dropped", "quarantined"])

    @product.check("documents")
    def the_ledger_balances(documents: Version, home: Home) -> dg.AssetCheckResult:
        """Per source: discovered = indexed + skipped + quarantined + deleted."""
        return check_result(corpus.ledger_balances(home.lake(product.name), documents))

    return [raw_documents, parsed_documents, documents, the_ledger_balances]
