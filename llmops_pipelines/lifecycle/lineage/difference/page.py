"""A difference as a page: the sentence, the steps that differ, documents, settings, scores, and the questions that flipped."""

from collections.abc import Iterator, Sequence

from ..page import Bars, Block, Cell, Edit, Facts, Mark, Page, Table
from ..wording import number
from .comparison import Difference, Named, sentence
from .edits import Line
from .questions import Flip
from .scores import Scored
from .settings import Change
from .steps import shown

EDITS, LINES, FLIPS, ANSWERS, ROWS, NAMES = 8, 40, 25, 5, 12, 20  # shown of each; JSON has the rest
DIGITS = 12
ARROW = "\N{RIGHTWARDS ARROW}"


def page_of(found: Difference) -> Page:
    """What a person reads, the most telling first."""
    title = f"{found.pipeline}: {found.before.name} {ARROW} {found.after.name}"
    answer = sentence(found)
    return Page(title, answer[0].upper() + answer[1:], list(_blocks(found)), _mark(found), _next(found))


def _mark(found: Difference) -> Mark:
    score = found.headline
    if score is None or score.change is None or not score.beyond_noise:
        return "quiet" if found.same else ""
    return "bad" if score.change < 0 else "good"


def _blocks(found: Difference) -> Iterator[Block]:
    yield Facts("The two", {found.before.name: _who(found.before), found.after.name: _who(found.after)})
    if found.unknown:
        yield Table("What cannot be compared", ["why"], [[each] for each in found.unknown])
    yield from _steps(found)
    yield from _scores(found)
    yield from _questions(found)
    yield from _documents(found)
    yield from _passages(found)
    yield from _rows(found)
    yield from _settings(found)


def _who(named: Named) -> str:
    said = (named.stage, named.when[:16].replace("T", " "), named.by, f"bundle {named.bundle[:DIGITS]}")
    return ", ".join(filter(None, said))


def _steps(found: Difference) -> Iterator[Block]:
    told = [each for each in found.moved if not each.aside]
    rows = [
        [
            shown(each.name),
            each.before[:DIGITS] or None,
            each.after[:DIGITS] or None,
            Cell("; ".join(each.why), "" if each.own else "quiet"),
        ]
        for each in told
    ]
    if rows:
        alike = sum(each.same and not each.aside for each in found.steps)
        more = f"{alike} other steps are the same. Grey: it differs only because of what it was made from."
        yield Table("Steps that differ", ["step", "before", "after", "why"], rows, more)


def _scores(found: Difference) -> Iterator[Block]:
    columns = ["metric", "before", "after", "change", "95 % interval", "questions", ""]
    if found.scores:
        ranked = sorted(found.scores, key=lambda each: (each.metric != found.metric, not each.beyond_noise))
        bars = [(each.metric, each.change, each.low, each.high) for each in ranked if each.change]
        if bars:
            yield Bars("Change of each metric", bars[:ROWS])
        yield Table("Scores", columns, [_score(each, each.metric) for each in ranked])
    if found.slices:
        rows = [_score(each, f"{each.metric}, {each.slice} {each.value}") for each in found.slices[:ROWS]]
        more = "Of a hundred slices in which nothing changed, five would stand here by chance."
        yield Table("Slices that changed beyond noise", columns, rows, more + _left(len(found.slices), ROWS))


def _score(score: Scored, name: str) -> list:
    mark: Mark = ("bad" if (score.change or 0) < 0 else "good") if score.beyond_noise else "quiet"
    told = "beyond noise" if score.beyond_noise else score.reason or "within noise"
    change = None if score.change is None else Cell(f"{score.change:+.3f}", mark)
    spread = "" if score.low is None or score.high is None else f"{score.low:+.3f} to {score.high:+.3f}"
    return [name, score.before, score.after, change, spread, score.n, Cell(told, mark)]


def _questions(found: Difference) -> Iterator[Block]:
    asked = found.questions
    if asked is None:
        return
    if asked.flips:
        title = f"Questions that flipped in {asked.metric}: {asked.worse} worse, {asked.better} better, of {asked.compared}"
        rows = [_flip(each) for each in _both_ends(asked.flips)]
        yield Table(title, ["question", "before", "after", "what changed under it"], rows, _left(len(asked.flips), FLIPS))
    for each in [each for each in asked.flips if each.answer_before != each.answer_after][:ANSWERS]:
        yield Edit(f"Answer to: {each.question}", [("-", each.answer_before or ""), ("+", each.answer_after or "")])
    others = {"added": asked.added, "removed": asked.removed, "changed": asked.changed}
    if any(others.values()):
        rows = [[name, len(ids), _names(ids)] for name, ids in others.items() if ids]
        yield Table("The evaluation set itself", ["questions", "how many", "which"], rows)


def _both_ends(flips: Sequence[Flip]) -> list[Flip]:
    """The worst, and a few of the best."""
    if len(flips) <= FLIPS:
        return list(flips)
    best = sum(each.change > 0 for each in flips[-FLIPS // 3 :])
    return [*flips[: FLIPS - best], *flips[len(flips) - best :]]


def _flip(flip: Flip) -> list:
    mark: Mark = "bad" if flip.change < 0 else "good"
    return [
        flip.question,
        flip.before,
        Cell(number(float(flip.after)), mark),
        "; ".join(flip.under) or "nothing that is recorded",
    ]


def _documents(found: Difference) -> Iterator[Block]:
    changed = found.documents
    if changed is None:
        return
    yield Facts("Documents", {name: count for name, count in changed.counts.items() if count or name in ("before", "after")})
    rows = [["added", each, ""] for each in changed.added[:NAMES]]
    rows += [["removed", each, ""] for each in changed.removed[:NAMES]]
    rows += [["renamed", new, f"was {old}"] for old, new in changed.renamed[:NAMES]]
    rows += [
        [f"other {each.term}", each.doc_id, f"{each.before or 'none'} {ARROW} {each.after or 'none'}"]
        for each in changed.moved[:NAMES]
    ]
    rows += [["edited", each.doc_id, _size(each.changed)] for each in changed.edited[:NAMES]]
    total = sum(count for name, count in changed.counts.items() if name not in ("before", "after"))
    if rows:
        yield Table("Documents that differ", ["how", "document", ""], rows, _left(total, len(rows)))
    for each in [each for each in changed.edited if each.lines][:EDITS]:
        yield Edit(each.doc_id, _shortened(each.lines))


def _size(letters: int | None) -> str:
    return "" if letters is None else f"{letters:,} letters went or came"


def _shortened(lines: Sequence[Line]) -> list[Line]:
    left = len(lines) - LINES
    return [*lines[:LINES], *([(" ", f"{left} lines more")] if left > 0 else [])]


def _passages(found: Difference) -> Iterator[Block]:
    if (held := found.chunks) is None:
        return
    facts = {"before": held.before, "after": held.after, "the same": held.same, "added": held.added, "removed": held.removed}
    facts |= {"of these only cut anew, with the same text": held.recut, "same text, other labels": held.relabelled}
    yield Facts("Chunks", facts)


def _rows(found: Difference) -> Iterator[Block]:
    for table in found.rows:
        yield Facts(table.table.replace("_", " ").capitalize(), {"before": table.before, "after": table.after, **table.counts})
        rows = [["changed", each.question, each.was, each.says, ", ".join(each.by)] for each in table.changed[:ROWS]]
        rows += [["removed", each.question, each.says, None, ""] for each in table.removed[:ROWS]]
        rows += [["added", each.question, None, each.says, ""] for each in table.added[:ROWS]]
        if rows:
            total = sum(table.counts[name] for name in ("added", "removed", "changed"))
            yield Table("", ["how", "question", "before", "after", "differs in"], rows, _left(total, len(rows)))


def _settings(found: Difference) -> Iterator[Block]:
    for each in found.prompts:
        yield Edit(f"Words of the {each.name}", _shortened(each.lines))
    if found.settings:
        yield _changes("Settings", found.settings)
    if found.terms:
        yield _changes("Licences and terms", found.terms)
    if found.packages:
        yield _changes("Code and packages", found.packages)


def _changes(title: str, changes: Sequence[Change]) -> Table:
    rows = [[each.where, each.path, each.before, each.after] for each in changes[:NAMES]]
    return Table(title, ["of", "setting", "before", "after"], rows, _left(len(changes), NAMES))


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:ROWS]) + (f" and {len(names) - ROWS} more" if len(names) > ROWS else "")


def _left(total: int, shown: int) -> str:
    return f" {total - shown:,} more with --json." if total > shown else ""


def _next(found: Difference) -> list[tuple[str, str]]:
    if found.same or not found.before.epoch or not found.after.epoch:
        return []
    numbers = f"{found.pipeline} {found.before.epoch} {found.after.epoch}"
    steps = [("which part made the difference", f"llmops blame {numbers}")]
    if _mark(found) == "bad":
        back = f'llmops release rollback {found.pipeline} --to {found.before.epoch} --why "{found.metric} fell"'
        steps.append((f"have {found.before.name} answer again", back))
    return steps
