"""The page of a `Blame`: the sentence, the change, the parts as bars, the documents and the questions."""

from collections.abc import Iterator

from ..page import Bars, Block, Cell, Edit, Facts, Page, Table
from .answer import Blame, Documents, Part
from .verdicts import change_of

MOST = 20  # rows of a table
MARKS = {"same": "quiet", "noise": "quiet", "better": "good"}


def page(found: Blame, pipeline: str = "", releases: tuple[int, int] | None = None) -> Page:
    """`pipeline` and `releases` name what the commands that follow are about."""
    return Page(
        title=f"Blame: {found.good} to {found.bad}",
        answer=found.sentence,
        blocks=[*_blocks(found)],
        mark=MARKS.get(found.verdict, "bad"),
        next=_next(found, pipeline, releases),
    )


def _blocks(found: Blame) -> Iterator[Block]:
    yield Facts("The change", dict(_facts(found)))
    measured = [part for part in found.parts if part.share is not None]
    if measured:
        bars = [(part.name, part.share, part.low, part.high) for part in measured]
        yield Bars(f"Shares of the change in {found.total.metric}", bars, "points")
    if found.parts:
        rows = [_row(part) for part in found.parts]
        yield Table("Parts that differ", ["part", "share", "95 % interval", "swapped alone", "what changed"], rows)
    if through := [(part, each) for part in found.parts for each in part.through]:
        rows = [[part.name, each.name, f"{each.share:+.3f}", each.said] for part, each in through]
        yield Table("What went through other parts", ["part", "through", "share", "why"], rows)
    if found.documents:
        yield from _documents(found.documents)
    if found.flipped:
        rows = [
            [each.id, each.question, f"{each.good:.2f}", f"{each.bad:.2f}", each.part, ", ".join(each.documents)]
            for each in found.flipped[:MOST]
        ]
        columns = ["id", "question", found.good, found.bad, "part", "documents"]
        yield Table("Questions that got worse", columns, rows, _more(len(found.flipped)))


def _facts(found: Blame) -> Iterator[tuple[str, str | int | float | None]]:
    total = found.total
    yield total.metric, change_of(total).removeprefix(f"{total.metric} ")
    yield "questions", total.questions
    if total.detectable is not None:
        yield "smallest change they show", round(total.detectable, 3)
    if None not in total.recorded and any(map(_differ, total.recorded, (total.good, total.bad))):
        yield "as recorded, each on its own questions", " -> ".join(f"{each:.3f}" for each in total.recorded)
    if found.interaction and found.interaction.beyond_noise:
        together = found.interaction
        yield "beyond the single effects", f"{together.effect:+.3f} ({together.low:+.3f} to {together.high:+.3f})"
    for number, note in enumerate(found.notes, 1):
        yield f"note {number}", note
    if found.sampled:
        yield "shares", "over drawn orders of swapping, since many parts differ"
    yield "hybrids", f"{found.hybrids} asked, {found.reused} known already"
    yield "seconds", found.seconds


def _differ(recorded: float | None, measured: float) -> bool:
    return recorded is not None and abs(recorded - measured) > 1e-6


def _row(part: Part) -> list[Cell | str]:
    mark = "bad" if part.guilty else ""
    share = "" if part.share is None else f"{part.share:+.3f}"
    interval = "" if part.low is None else f"{part.low:+.3f} to {part.high:+.3f}"
    alone = "" if part.alone is None else f"{part.alone:+.3f}"
    return [Cell(part.name, mark), Cell(share, mark), interval, alone, part.said]


def _documents(found: Documents) -> Iterator[Block]:
    said = {
        "changed": found.changed,
        "questions flipped by documents": found.flipped,
        "explained": f"{found.explained}, {found.confirmed} restored together",
        "indexes rebuilt": found.trials,
    }
    yield Facts("Documents", said if found.whole else said | {"search": "stopped early; fewer documents might do"})
    if found.guilty:
        rows = [[Cell(each.doc_id, "bad"), each.kind, ", ".join(each.questions)] for each in found.guilty[:MOST]]
        yield Table("Guilty documents", ["document", "change", "questions restored"], rows, _more(len(found.guilty)))
    if found.learnt:
        rows = [[each.doc_id, each.kind, each.rows] for each in found.learnt[:MOST]]
        yield Table(
            "Changed documents with other training rows", ["document", "change", "rows"], rows, _more(len(found.learnt))
        )
    for each in found.guilty:
        if each.edit:
            yield Edit(f"{each.doc_id} ({each.kind})", each.edit)


def _more(count: int) -> str:
    return f"and {count - MOST} more" if count > MOST else ""


def _next(found: Blame, pipeline: str, releases: tuple[int, int] | None) -> list[tuple[str, str]]:
    if not pipeline or releases is None:
        return []
    good, bad = releases
    steps = [("see everything that differs", f"llmops diff {pipeline} {good} {bad}")]
    if found.found_guilt:
        steps.append(("have the good one answer again", f"llmops release rollback {pipeline} --to {good}"))
    return steps
