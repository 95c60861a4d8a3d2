"""`llmops blame`: which part made it worse. How that is found is `lifecycle/lineage/blame`."""

from typing import TYPE_CHECKING, Annotated

import typer

from llmops_pipelines.terminal import Name, err, one_sentence, product_of

from .output import Html, Json, deliver

if TYPE_CHECKING:
    from llmops_pipelines.assets.product import Product
    from llmops_pipelines.lifecycle.lineage.blame import Doors
    from llmops_pipelines.lifecycle.release.candidate import Candidate

    from .place import Place

Good = Annotated[
    int,
    typer.Argument(metavar="[GOOD]", help="Release that was good; without it, the one before BAD", min=0, show_default=False),
]
Bad = Annotated[
    int, typer.Argument(metavar="[BAD]", help="Release that is worse; without it, the live one", min=0, show_default=False)
]
Metric = Annotated[str, typer.Option("--metric", help="Score to explain; without it, the one of the gate")]
Newest = Annotated[bool, typer.Option("--candidate", help="The newest candidate that was refused takes the place of BAD")]


def blame(
    name: Name,
    good: Good = 0,
    bad: Bad = 0,
    metric: Metric = "",
    candidate: Newest = False,
    as_json: Json = False,
    html: Html = None,
) -> None:
    """Name the part that made a release worse, by swapping one part at a time against an older release: documents, chunker,
    embedder, retriever, prompt, model, training, judge, evaluation set; and within the documents, the guilty ones. Exit code
    3 when something got worse.

    Example: llmops blame quickstart 3 4 --html blame.html
    """
    from llmops_pipelines.lifecycle.lineage.blame import blame as find
    from llmops_pipelines.lifecycle.lineage.blame import page

    from .place import Place

    with one_sentence():
        product, place = product_of(name), Place.of(name)
        before, after = _chosen(place, good, bad, candidate)
        sides = [_side(place, epoch) for epoch in (before, after)]
        names = (f"release {before}", f"release {after}" if after else "the refused candidate")
        chosen = metric or product.pipeline.gate.metric
        found = find(place.lake, *sides, _doors(product), metric=chosen, say=_say, names=names)
    deliver(found, page(found, name, (before, after) if after else None), as_json, html)
    raise typer.Exit(3 if found.found_guilt else 0)


def _chosen(place: "Place", good: int, bad: int, candidate: bool) -> tuple[int, int]:
    """Numbers of the two releases; 0 stands for the refused candidate."""
    from llmops_pipelines.lifecycle.lineage.blame import BlameError

    if candidate and bad:
        raise typer.BadParameter("name GOOD only; the candidate takes the place of BAD", param_hint="--candidate")
    after = 0 if candidate else bad or place.release().epoch
    if good or candidate:
        return good or place.release().epoch, after
    wanted = place.history.record(after)
    older = [each.epoch for each in place.history.releases(wanted.stage) if each.epoch < after]
    if not older:
        raise BlameError(f"release {after} of {place.name} is its first; there is nothing older to compare with")
    return older[-1], after


def _side(place: "Place", epoch: int) -> "Candidate":
    from llmops_pipelines.lifecycle.lineage.blame.refused import refused
    from llmops_pipelines.lifecycle.release.candidate import Candidate

    return Candidate.of(place.lake, place.history.record(epoch)) if epoch else refused(place.lake)


def _doors(product: "Product") -> "Doors":
    from llmops_pipelines.lifecycle.compute import Local
    from llmops_pipelines.lifecycle.lineage.blame import Doors
    from llmops_pipelines.resources.secrets import Secrets
    from llmops_pipelines.resources.vector_store import VectorStore

    judging = product.pipeline.evaluation.judge
    return Doors(VectorStore().connector, Secrets.from_environment(), product.project, Local(), judging)


def _say(said: str) -> None:
    err.print(said, style="dim", markup=False, soft_wrap=True)
