"""Monitoring: what the corpus is like, and how far it has moved from the live release's."""

import dagster as dg

from llmops_pipelines.lifecycle import monitoring as stage
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.home import Home

from .product import Product
from .showing import check_result, shown


def build(product: Product) -> list:
    """Assets `corpus_profile` and `drift_report`, and the check that nothing has drifted."""
    words = product.pipeline

    @product.asset(group="monitoring", kinds={"json"}, code=stage.CODES["corpus_profile"], follows="embeddings")
    def corpus_profile(documents: Version, embeddings: Version, home: Home) -> dg.MaterializeResult[Version]:
        """Counts, lengths, vocabulary and mean vector of the corpus."""
        return shown(stage.corpus_profile(home.lake(product.name), documents, embeddings))

    @product.asset(group="monitoring", kinds={"matplotlib"}, code=stage.CODES["drift_report"], follows="corpus_profile")
    def drift_report(corpus_profile: Version, home: Home) -> dg.MaterializeResult[Version]:
        """What changed between the last release's corpus and now: documents, lengths, vocabulary, vectors."""
        lake, live = home.lake(product.name), home.history(product.name).live()
        reference = lake.find("corpus_profile", live.parts["corpus_profile"]["fingerprint"]) if live else None
        return shown(
            stage.drift_report(lake, corpus_profile, reference, words.drift), table="changed_documents", pictures=["drift.png"]
        )

    @product.check("drift_report", blocking=False)
    def the_corpus_has_not_drifted(drift_report: Version) -> dg.AssetCheckResult:
        """No measure is over its threshold. When one is, the drift sensor asks for a retrain."""
        facts = drift_report.facts
        return check_result((facts["outcome"] != "drifted", {"why": facts["why"]}), warn=True)

    return [corpus_profile, drift_report, the_corpus_has_not_drifted]
