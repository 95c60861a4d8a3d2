"""`llmops lineage`: what a release was made of, what saw a document, what became of a question; also as OpenLineage events."""

from typing import TYPE_CHECKING, Annotated

import typer

from llmops_pipelines.terminal import Name, complain, err, one_sentence, out

from .light import light_pyarrow
from .output import Html, Json, deliver
from .place import Place

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.lineage.traces.question import Ask
    from llmops_pipelines.lifecycle.release.history import Release

DIFFERS = 3
Number = Annotated[int | None, typer.Argument(metavar="[RELEASE]", help="Its number; without it the live one", min=1)]
Document = Annotated[str, typer.Option("--document", help="What saw this document: its id, or the end of it")]
Question = Annotated[str, typer.Option("--question", help="What became of a question: an evaluation question's id, or words")]
Listing = Annotated[bool, typer.Option("--documents", help="List every document with the sha256 of its source bytes")]
Recorded = Annotated[bool, typer.Option("--recorded", help="With --question: only what was recorded, nothing is asked again")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="With --question: a group that you are in; may be repeated")]
Target = Annotated[
    str, typer.Option("--openlineage", metavar="TARGET", help="Emit OpenLineage events: a file, or an http(s) URL")
]


def lineage(
    name: Name,
    number: Number = None,
    document: Document = "",
    question: Question = "",
    documents: Listing = False,
    recorded: Recorded = False,
    group: Groups = None,
    openlineage: Target = "",
    as_json: Json = False,
    html: Html = None,
) -> None:
    """Show everything a release was made of, down to documents and source bytes, with the cost of each step.

    With --document: every passage, point, training row, checkpoint and release that saw it. With --question: what was
    retrieved, read, answered and scored then, and what the same release answers now; exit 3 when that differs.

    Example: [bold]llmops lineage quickstart 3 --document fleet/ardent.md[/bold]
    """
    if len(list(filter(None, (document, question, documents, openlineage)))) > 1:
        complain("lineage: --document, --question, --documents and --openlineage are different questions; ask one of them")
        raise typer.Exit(2)
    with one_sentence():
        place = Place.of(name)
        release = place.release(number)
        if openlineage:
            _emit(place, release, openlineage)
        elif document:
            _document(place, release, document, as_json, html)
        elif question:
            _question(place, release, question, recorded, group, as_json, html)
        else:
            _release(place, release, documents, as_json, html)


def _release(place: Place, release: "Release", documents: bool, as_json: Json, html: Html) -> None:
    from llmops_pipelines.lifecycle.lineage.traces.release import lineage_of
    from llmops_pipelines.lifecycle.lineage.traces.release_page import release_page

    found = lineage_of(place.lake, place.history, release, documents=documents)
    deliver(found, release_page(found), as_json, html)


def _document(place: Place, release: "Release", wanted: str, as_json: Json, html: Html) -> None:
    from llmops_pipelines.lifecycle.lineage.traces.document_page import document_page
    from llmops_pipelines.lifecycle.lineage.traces.following import trace_document

    light_pyarrow()
    found = trace_document(place.lake, place.history, release, wanted)
    deliver(found, document_page(found), as_json, html)


def _question(place: Place, release: "Release", wanted: str, recorded: bool, group: Groups, as_json: Json, html: Html) -> None:
    from llmops_pipelines.lifecycle.lineage.traces.question import trace_question
    from llmops_pipelines.lifecycle.lineage.traces.question_page import question_page

    ask = None if recorded else _asking(place, release, group)
    with err.status("reading"):
        found = trace_question(place.lake, release, wanted, ask, place.history.live(release.stage))
    deliver(found, question_page(found), as_json, html)
    if found.differs or found.not_asked:
        raise typer.Exit(DIFFERS)


def _asking(place: Place, release: "Release", group: Groups) -> "Ask":
    """Evaluation questions see every passage, as they did when they were scored; other texts what the groups see."""
    from llmops_pipelines.lifecycle.index import EVERYTHING, Where
    from llmops_pipelines.lifecycle.release.serving import Served
    from llmops_pipelines.resources.secrets import Secrets
    from llmops_pipelines.resources.vector_store import VectorStore

    served = Served(place.lake, release, VectorStore().connector, Secrets.from_environment(), place.project)
    seen = Where(groups=frozenset(group or ()))
    return lambda question, evaluated: served.ask(question, EVERYTHING if evaluated else seen)


def _emit(place: Place, release: "Release", target: str) -> None:
    from llmops_pipelines.lifecycle.lineage import openlineage
    from llmops_pipelines.lifecycle.lineage.graph import Graph

    found = openlineage.events(place.lake, release, Graph.of(place.lake, release))
    openlineage.emit(found, target)
    out.print(f"{len(found)} events: {target}", markup=False, soft_wrap=True)
