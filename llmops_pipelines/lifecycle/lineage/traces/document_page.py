"""How what saw a document is shown: from its states to the releases that answer from it or were trained on it."""

import shlex

from ..page import Cell, Facts, Page, Table, Value
from .document import DocumentTrace, State

DIGITS = 32  # of a row's id that is made from its content
SHOWN = 50  # rows of a table on a page; the JSON has all


def document_page(found: DocumentTrace) -> Page:
    """The page of one document."""
    blocks = [_now(found), _states(found), _passages(found), _points(found), _rows(found), _trained(found), _releases(found)]
    missing = Table("What could not be looked at", ("what",), [(each,) for each in found.missing])
    return Page(
        title=f"What saw {found.doc_id}",
        answer=_answer(found),
        blocks=[block for block in (*blocks, _questions(found), missing) if not isinstance(block, Table) or block.rows],
        next=_next(found),
    )


def _answer(found: DocumentTrace) -> str:
    live = [f"release {each.release} ({', '.join(each.live_in)})" for each in found.releases if each.live_in and each.points]
    learnt = [f"release {each.release}" for each in found.releases if each.live_in and each.trained]
    state = found.now
    what = f"it is {_outcome(state)}" if state else "it cannot be looked up"
    serves = f"{' and '.join(live)} answers from it now" if live else "no live release answers from it"
    trained = f"{' and '.join(learnt)}, which is live, was trained on it" if learnt else "no live release was trained on it"
    return f"In release {found.release} {what}; {serves}; {trained}."


def _outcome(state: State) -> str:
    if state.outcome == "indexed":
        return "indexed"
    why = f" ({state.reason}{f': {state.detail}' if state.detail else ''})" if state.reason else ""
    return f"{state.outcome}{why}"


def _now(found: DocumentTrace) -> Facts:
    state = found.now
    values: dict[str, Value] = {"document": found.doc_id, "outcome": _outcome(state) if state else "not known"}
    if state:
        said = {name: ", ".join(value) if isinstance(value, list) else value for name, value in state.said.items()}
        values |= {name.replace("_", " "): value for name, value in said.items() if value not in ("", None)}
        values["source bytes (sha256)"] = state.source_sha256 or "not recorded"
    return Facts(f"In release {found.release}", values)


def _states(found: DocumentTrace) -> Table:
    rows = [(_span(state.releases), _coloured(state), *_hashes(state), len(state.versions)) for state in found.states]
    columns = ("releases", "outcome", "content", "source bytes", "characters", "versions of documents")
    return _cut("States, the oldest first", columns, rows)


def _coloured(state: State) -> Cell:
    return Cell(_outcome(state), "" if state.outcome == "indexed" else "bad")


def _count(points: int | None) -> Value:
    return "not known" if points is None else points


def _hashes(state: State) -> tuple[Value, ...]:
    return state.said.get("content_hash", "")[:12], state.source_sha256[:12], state.said.get("characters", "")


def _passages(found: DocumentTrace) -> Table:
    marks = {True: Cell("yes", "good"), False: Cell("no", "bad"), None: "not known"}
    rows = [
        (each.ordinal, each.chunk_id, f"{each.start}-{each.end}", each.page or "", each.heading, each.text, marks[each.indexed])
        for each in found.passages
    ]
    columns = ("", "chunk", "characters", "page", "heading", "begins", "in the index")
    return _cut(f"Passages in release {found.release}", columns, rows)


def _points(found: DocumentTrace) -> Table:
    rows = [
        (each.index[:12], each.collection, each.sequence, _count(each.points), _span(each.releases)) for each in found.points
    ]
    return _cut("Points", ("index", "collection", "sequence", "points", "releases"), rows)


def _rows(found: DocumentTrace) -> Table:
    ordered = sorted(found.rows, key=lambda row: (found.release not in row.releases, row.side))
    rows = [(each.side, each.asset, _name(each.id), each.origin, each.question, _span(each.releases)) for each in ordered]
    return _cut("Rows of datasets", ("side", "dataset", "row", "origin", "question", "releases"), rows)


def _name(row: str) -> str:
    return row[:12] if len(row) == DIGITS and set(row) <= set("0123456789abcdef") else row


def _trained(found: DocumentTrace) -> Table:
    rows = [
        (each.asset, each.digest[:12], each.rows or "", ", ".join(each.through), _span(each.releases)) for each in found.trained
    ]
    return _cut("Weights that learnt from it", ("asset", "version", "rows", "through", "releases"), rows)


def _releases(found: DocumentTrace) -> Table:
    rows = [
        (
            each.release,
            each.stage,
            each.phase,
            each.when,
            _count(each.points) or "",
            "yes" if each.trained else "",
            Cell(", ".join(each.live_in), "good") if each.live_in else "",
        )
        for each in reversed(found.releases)
    ]
    columns = ("release", "stage", "phase", "when", "points", "trained on it", "live in")
    return _cut("Releases, the newest first", columns, rows)


def _questions(found: DocumentTrace) -> Table:
    rows = [(each.question_id, each.rank, "yes" if each.read else "") for each in found.questions]
    title = f"Evaluation questions that found it in release {found.release}"
    return _cut(title, ("question", "rank", "read by the model"), rows)


def _cut(title: str, columns: tuple[str, ...], rows: list[tuple[Value, ...]]) -> Table:
    left = f"{len(rows) - SHOWN} more; --json has all" if len(rows) > SHOWN else ""
    return Table(title, columns, rows[:SHOWN], left)


def _span(epochs: list[int]) -> str:
    """3, 4, 5, 9 as '3-5, 9'."""
    runs: list[list[int]] = []
    for epoch in sorted(set(epochs)):
        if runs and epoch == runs[-1][1] + 1:
            runs[-1][1] = epoch
        else:
            runs.append([epoch, epoch])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs) or "none"


def _next(found: DocumentTrace) -> list[tuple[str, str]]:
    return [("take it out everywhere (a dry run first)", f"llmops forget {found.pipeline} {shlex.quote(found.doc_id)}")]
