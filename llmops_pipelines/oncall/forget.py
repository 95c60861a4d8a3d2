"""`llmops forget` and `llmops restore`: a document is hidden or erased everywhere, or a hiding is taken back.

Shows first what would happen. What forgetting means is `lifecycle/lineage/forgetting`; databases on servers are `scrubbing.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_pipelines.oncall.output import Html, Json, deliver
from llmops_pipelines.oncall.place import Place
from llmops_pipelines.releases import By, Yes, who
from llmops_pipelines.terminal import Name, complain, err, one_sentence

if TYPE_CHECKING:
    from llmops_pipelines.config.pipeline import Pipeline
    from llmops_pipelines.lifecycle.lineage.forgetting import Erased, Known, Plan

Documents = Annotated[list[str], typer.Argument(metavar="DOCUMENT...", help="doc_ids, as answers cite them")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the receipt; needed with --yes")]
Hide = Annotated[bool, typer.Option("--hide", help="Only hide it: llmops restore takes that back")]


def forget(
    name: Name, documents: Documents, why: Why = "", by: By = "", hide: Hide = False, yes: Yes = False,
    as_json: Json = False, html: Html = None,
) -> None:  # fmt: skip
    """Show everything that holds documents, and with --yes erase them there: versions, indexes, stores, caches, run history.

    Ends with a scan of every file and a receipt. With --hide --yes they are only left out, from this moment on.

    Example: llmops forget quickstart handbook/people/director-profile.md
    """
    from llmops_pipelines.lifecycle.lineage.forgetting import pages

    if yes and not why.strip():
        complain('--why: say why, such as --why "request of 12 May"; the receipt keeps it')
        raise typer.Exit(2)
    with one_sentence():
        place, words = Place.of(name), _words(name)
        wanted = list(dict.fromkeys(documents))
        if not yes:
            found = _plan(place, words, wanted)
            deliver(found, pages.of_plan(found, hide), as_json, html)
            return
        if hide:
            deliver(_hidden(place, wanted, why, by), pages.of_hidden(name, wanted, words.retention.hidden_days), as_json, html)
            return
        erased, retrain, remarks = _erased(place, words, wanted, why, by)
        deliver(erased, pages.of_erased(erased, wanted, retrain, remarks), as_json, html)


def restore(name: Name, documents: Documents, why: Why = "", by: By = "", as_json: Json = False, html: Html = None) -> None:
    """Take the hiding of documents back, as long as `retention.hidden_days` allows. What was erased stays erased.

    Example: llmops restore quickstart handbook/people/director-profile.md
    """
    from llmops_pipelines.lifecycle.lineage import forgetting
    from llmops_pipelines.lifecycle.lineage.forgetting import pages

    with one_sentence():
        place, words = Place.of(name), _words(name)
        asked = forgetting.Asked.now(who(by), why)
        receipt = forgetting.restore(place.lake, documents, words.retention.hidden_days, asked)
        deliver({"restored": documents, "receipt": str(receipt)}, pages.of_restored(name, documents), as_json, html)


def _words(name: str) -> "Pipeline":
    from llmops_pipelines.config.loader import load_pipeline, pipeline_files

    project = Place.of(name).project
    return load_pipeline(pipeline_files(project)[name], project)


def _plan(place: Place, words: "Pipeline", documents: list[str]) -> "Plan":
    from llmops_pipelines.lifecycle.lineage import forgetting

    with err.status("looking for what holds them"):
        known = forgetting.know(place.lake, documents)
        return forgetting.plan(place.lake, place.history, known, _holds(place, known), _connect(words))


def _holds(place: Place, known: "Known") -> dict[str, list[str]]:
    """Patterns of legal holds, of every pipeline that would lose something."""
    from llmops_pipelines.config.loader import load_pipeline, pipeline_files

    files = pipeline_files(place.project)
    losing = {pipeline for pipeline, _ in known.gone} & files.keys()
    return {each: load_pipeline(files[each], place.project).retention.legal_hold for each in sorted(losing)}


def _connect(words: "Pipeline") -> Any:
    if words.index.url is None:
        return None
    from llmops_pipelines.resources.vector_store import VectorStore

    return VectorStore().connector(words.index)


def _hidden(place: Place, documents: list[str], why: str, by: str) -> dict[str, Any]:
    from llmops_pipelines.lifecycle.lineage import forgetting

    receipt = forgetting.hide(place.lake, forgetting.know(place.lake, documents), forgetting.Asked.now(who(by), why))
    return {"hidden": documents, "receipt": str(receipt)}


def _erased(place: Place, words: "Pipeline", documents: list[str], why: str, by: str) -> "tuple[Erased, str, list[str]]":
    """What was done, the command that trains anew where a live model learnt from them, and what to know besides."""
    from llmops_pipelines.lifecycle.lineage import forgetting
    from llmops_pipelines.oncall.scrubbing import scrubs

    work = forgetting.begun(place.lake, documents)
    with _nothing_running(place) as instance:
        found = None if work else _plan(place, words, documents)
        asked = forgetting.Asked.now(who(by), why)
        doors, remarks = scrubs(place.home, instance)
        with err.status("erasing") as status:
            erased = forgetting.erase(
                place.home, place.lake, found, documents, asked, _connect(words), doors, lambda step: status.update(step)
            )
    live = found.retrain if found else (f"llmops run {place.name}" if work and any(t["live"] for t in work.trained) else "")
    return erased, live, [*remarks, *_at_the_source(found)]


def _at_the_source(found: "Plan | None") -> list[str]:
    said = ["what a source still holds is not read again; a file that holds other documents too is, so remove it there"]
    if found and found.near:
        said.append(f"{', '.join(found.near)}: nearly the same text, and still there; forget them too if they are meant")
    return said


@contextmanager
def _nothing_running(place: Place) -> Iterator[Any]:
    """The Dagster instance of the home. Refuses while a run of the pipeline goes on: it could write what is being erased."""
    import dagster as dg

    from llmops_pipelines.lifecycle.lake import Refusal
    from llmops_pipelines.resources.home import Home
    from llmops_pipelines.resources.instance import dagster_home, end_dead_runs

    dagster_home(Home(path=str(place.home)), place.project)
    with dg.DagsterInstance.get() as instance:
        end_dead_runs(instance)
        going = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.QUEUED]
        if runs := instance.get_runs(dg.RunsFilter(statuses=going), limit=1):
            raise Refusal(
                f"run {runs[0].run_id[:8]} of {runs[0].job_name} is under way and could write what is erased; wait until it "
                f"has ended, and stop new ones meanwhile: llmops freeze {place.name} --why forgetting"
            )
        yield instance
