"""What forgetting looks like: the plan before, and what was done after. What they know is `plan.py` and `erasing.py`."""

from collections.abc import Sequence

from ..page import Block, Cell, Facts, Page, Table
from .erasing import Erased
from .plan import Plan

SHOWN = 40  # rows of a table


def of_plan(plan: Plan, hide: bool) -> Page:
    """What would happen. Marked bad when a legal hold forbids it or a live model learnt from the documents."""
    names = ", ".join(plan.documents)
    verb = "hide" if hide else "erase"
    again = f"llmops forget {plan.pipeline} {' '.join(map(repr, plan.documents))} --why REASON{' --hide' if hide else ''} --yes"
    if plan.held and not hide:
        answer = f"{plan.held[0][0]} is under legal hold ({plan.held[0][1]}): nothing can be erased, only hidden."
    else:
        answer = f"Nothing was changed. {len(plan.holders)} places hold {names}; --yes would {verb} {_them(plan.documents)}."
    blocks: list[Block] = [_facts(plan), _holders(plan), _trained(plan)]
    steps = [("do it", again)] if hide or not plan.held else [("hide it", f"{again.removesuffix(' --yes')} --hide --yes")]
    steps += [("train without it afterwards", plan.retrain)] if plan.retrain and not hide else []
    return Page(
        f"Forgetting {names}", answer, blocks, mark="bad" if plan.held and not hide else "", next=_plain(steps, plan.retrain)
    )


def _plain(steps: list[tuple[str, str]], retrain: str) -> list[tuple[str, str]]:
    return [step for step in steps if step[1] or retrain]


def _them(documents: Sequence[str]) -> str:
    return "it" if len(documents) == 1 else "them"


def _facts(plan: Plan) -> Facts:
    said: dict[str, str | int | Cell] = {"documents": ", ".join(plan.documents)}
    if plan.copies:
        said["the same text, goes too"] = ", ".join(plan.copies)
    if plan.near:
        said["nearly the same, stays"] = Cell(", ".join(plan.near), "bad")
    for document, pattern in plan.held:
        said[f"legal hold on {document}"] = Cell(pattern, "bad")
    said["word windows that only it has"] = plan.needles
    if not plan.needles:
        said["scan"] = Cell("no window of words is its own: a scan for its text can prove nothing", "bad")
    return Facts("What is asked for", said)


def _holders(plan: Plan) -> Table:
    rows = [(each.kind, each.name, each.count, each.unit, each.note) for each in plan.holders[:SHOWN]]
    more = f"{len(plan.holders) - SHOWN} more" if len(plan.holders) > SHOWN else ""
    return Table("Where it lies", ("kind", "where", "count", "", "remark"), rows, more)


def _trained(plan: Plan) -> Table:
    rows = [
        (
            f"{each.asset} {each.fingerprint[:12]}",
            each.rows,
            ", ".join(map(str, each.releases)) or "none",
            Cell(", ".join(each.live), "bad") if each.live else "no",
        )
        for each in plan.trained
    ]
    note = (
        "weights cannot be erased: a model that learnt from it is trained anew without it"
        if rows
        else "no model learnt from it"
    )
    return Table("Models that learnt from it", ("model", "rows", "releases", "live"), rows, note)


def of_hidden(pipeline: str, documents: Sequence[str], days: int) -> Page:
    names = ", ".join(documents)
    answer = f"{names}: hidden from every answer of {pipeline} from now on, and left out by the next reindex."
    undo = f"llmops restore {pipeline} {' '.join(map(repr, documents))}"
    return Page(f"Hidden: {names}", answer, [], mark="good", next=[(f"undo within {days} days", undo)])


def of_restored(pipeline: str, documents: Sequence[str]) -> Page:
    names = ", ".join(documents)
    answer = f"{names}: found again by releases that hold it, and taken up by the next reindex."
    return Page(
        f"Restored: {names}", answer, [], mark="good", next=[("index it again", f"llmops run {pipeline} --job reindex")]
    )


def of_erased(erased: Erased, documents: Sequence[str], retrain: str, remarks: Sequence[str]) -> Page:
    """What was done, and the proof."""
    names = ", ".join(documents)
    answer = f"{names}: erased. {erased.scan.files} files were scanned afterwards, and its text is in none."
    facts = Facts(
        "What was done",
        {
            "versions rewritten": erased.rewritten,
            "rows deleted from stores": erased.rows,
            "other places": erased.removed,
            "files scanned": erased.scan.files,
            "bytes scanned": erased.scan.bytes,
            "receipt": erased.receipt,
        },
    )
    rows = [(each.index, each.engine, each.points, each.asked, each.found) for each in erased.probes]
    probes = Table("Indexes that were asked for it", ("index", "engine", "passages", "asked", "found"), rows)
    blocks: list[Block] = [facts, probes]
    if remarks:
        blocks.append(Table("To know", ("remark",), [(each,) for each in remarks]))
    return Page(f"Erased: {names}", answer, blocks, mark="good", next=[("train without it", retrain)] if retrain else [])
