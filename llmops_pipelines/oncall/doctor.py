"""`llmops doctor`: what on-call should know now, each finding with the command that mends it. It looks and changes nothing.

What is looked at is `examinations/`, one file per noun.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_pipelines.lifecycle.lineage.page import Cell, Mark, Page, Table
from llmops_pipelines.oncall.output import Html, Json, deliver

if TYPE_CHECKING:
    from llmops_pipelines.oncall.examinations import Case, Finding, Health
    from llmops_pipelines.resources.home import Home

Pipeline = Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="Its name; without it every pipeline")]
MARKS: dict[str, Mark] = {"wrong": "bad", "look": "", "fine": "good"}
NOT_FOUND_OUT = "it could not be found out"


def doctor(name: Pipeline = None, as_json: Json = False, html: Html = None) -> None:
    """Say what on-call should know now, the worst first, each with the command that mends it. Exit 3 when something is wrong.

    Example: llmops doctor quickstart
    """
    found = examined([name] if name else None)
    deliver([*found], page(found), as_json, html)
    raise typer.Exit(0 if all(each.healthy for each in found) else 3)


def examined(names: Iterable[str] | None = None) -> "list[Health]":
    """The health of pipelines of the nearest project, by default of all. Exit 2 for one that does not exist."""
    from llmops_pipelines.config.loader import find_project, pipeline_files
    from llmops_pipelines.oncall.examinations.case import opened
    from llmops_pipelines.oncall.place import Place
    from llmops_pipelines.resources.home import Home

    project = find_project(Path.cwd())
    home = Home.from_environment(project)
    wanted = [Place.of(name).name for name in names] if names else list(pipeline_files(project))
    with opened(home) as instance:
        return [_health(name, project, home, instance) for name in wanted]


def _health(name: str, project: Path, home: "Home", instance) -> "Health":
    from llmops_pipelines.config.loader import pipeline_files
    from llmops_pipelines.config.mistakes import ConfigMistakes
    from llmops_pipelines.definitions import product
    from llmops_pipelines.oncall.examinations import Case, Finding, Health
    from llmops_pipelines.oncall.examinations.findings import ORDER

    now = time.time()
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    try:
        case = Case(product(name, pipeline_files(project)[name], project), home, instance, now)
    except ConfigMistakes as mistakes:
        about = "; ".join(str(mistakes).splitlines())
        return Health(
            name, at, [Finding("wrong", "configuration", f"nothing of it runs: {about}", "mend the file and line named")]
        )
    found = [each for examination in _examinations() for each in _safely(examination, case)]
    return Health(name, at, sorted(found, key=lambda each: (ORDER.index(each.severity), -each.downstream)))


def _examinations() -> "dict[str, Callable[[Case], Iterator[Finding]]]":
    from llmops_pipelines.oncall.examinations import assets, disk, pools, releases, runs, ticks

    return {each.__name__.rpartition(".")[2]: each.examine for each in (releases, assets, runs, ticks, pools, disk)}


def _safely(noun: str, case: "Case") -> "Iterator[Finding]":
    """An examination that cannot be made is a finding: on-call people ask when things are broken."""
    from llmops_pipelines.lifecycle.lake import Refusal
    from llmops_pipelines.oncall.examinations import Finding

    try:
        yield from _examinations()[noun](case)
    except Refusal as refusal:
        yield Finding("wrong", noun, f"{NOT_FOUND_OUT}: {refusal}", f"llmops verify {case.name}")
    except Exception as error:  # storages of any kind, in any state
        reason = (str(error).splitlines() or [""])[0][:200]
        yield Finding("wrong", noun, f"{NOT_FOUND_OUT} ({type(error).__name__}: {reason})", f"llmops verify {case.name}")


def page(found: "list[Health]") -> Page:
    """The findings as a page: what is wrong and worth a look with its fix, and what is fine for short."""
    counted = Counter(each.severity for health in found for each in health.findings)
    names = ", ".join(health.pipeline for health in found) or "no pipeline"
    if counted["wrong"]:
        answer = f"{counted['wrong']} things are wrong" if counted["wrong"] > 1 else "One thing is wrong"
    else:
        answer = "Nothing is wrong"
    look = f", {counted['look']} worth a look" if counted["look"] else ""
    fixes = [(f"{each.about}: {each.severity}", each.fix) for health in found for each in health.of("wrong") if each.fix]
    return Page(
        title=f"doctor: {names}",
        answer=f"{answer}{look}.",
        blocks=[_table(health) for health in found],
        mark="bad" if counted["wrong"] else "good",
        next=list(dict.fromkeys(fixes)),
    )


def _table(health: "Health") -> Table:
    rows = [
        (Cell(each.severity, MARKS[each.severity]), each.about, each.sentence, each.fix if each.severity != "fine" else "")
        for each in health.findings
    ]
    return Table(f"{health.pipeline} at {health.at}", ("", "what", "finding", "what mends it"), rows)
