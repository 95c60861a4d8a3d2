"""Regression: whether the newest candidate is worse than what it was compared with, and a page that says why."""

from typing import Any

import dagster as dg

from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.lineage import blame as blaming
from llmops_pipelines.lifecycle.lineage import regression as stage
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.secrets import Secrets
from llmops_pipelines.resources.vector_store import VectorStore

from .product import Product
from .showing import check_result, described, markdown_table


def build(product: Product) -> list:
    """Asset `regression` and the check that there was none."""

    @product.asset(group="release", kinds={"html"}, code=stage.CODE)
    def regression(
        context: dg.AssetExecutionContext, release: Version, home: Home, vector_store: VectorStore, secrets: Secrets
    ) -> dg.MaterializeResult[Version]:
        """Whether the newest candidate is worse than the release before it beyond noise. If so, which part is to blame and what
        differs, on one page; if not, nothing is done."""
        words, lake = product.pipeline, home.lake(product.name)
        doors = blaming.Doors(vector_store.connector, secrets, product.project, judging=words.evaluation.judge)

        def blame(pair: stage.Pair, metric: str) -> blaming.Blame:
            names, say = (pair.good.name, pair.bad.name), context.log.info
            return blaming.blame(lake, *pair.candidates, doors, metric=metric, say=say, names=names)

        version = stage.judged(lake, home.history(product.name), release, words.gate, blame)
        seen = described(version) | _linked(version)
        return dg.MaterializeResult(value=version, data_version=dg.DataVersion(version.digest), metadata=seen)

    @product.check("regression", blocking=False)
    def the_release_did_not_regress(regression: Version) -> dg.AssetCheckResult:
        """The newest candidate is not worse than the release before it in what the gate asks for."""
        said = regression.json("regression")
        passed = said["outcome"] in ("no regression", "nothing before")
        parts = [f"{each['name']}: {each['said']}" for each in said["parts"]]
        return check_result((passed, {"why": said["why"], **({"parts": parts} if parts else {})}), warn=True)

    return [regression, the_release_did_not_regress]


def _linked(version: Version) -> dict[str, Any]:
    """The page, and its gist for those who do not open it."""
    if not version.has(stage.PAGE):
        return {}
    said = version.json("regression")
    rows = [{"part": each["name"], "share": each["share"], "what changed": each["said"]} for each in said["parts"]]
    gist = f"{said['why']}\n\n{said['blame']}" + (f"\n\n{markdown_table(rows)}" if rows else "")
    return {"page": dg.MetadataValue.path(str(version.file(stage.PAGE))), "gist": dg.MetadataValue.md(gist)}
