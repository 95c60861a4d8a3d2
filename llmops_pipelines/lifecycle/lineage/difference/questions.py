"""Questions that are answered better or worse than before, each with what changed under it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmops_pipelines.lifecycle.evaluation.comparison import Report

from .documents import Documents
from .sides import Side, Unknown, reading

LEAST = 1e-9  # a change of a score that is none
NAMED = 3  # documents named in a sentence


@dataclass(frozen=True)
class Flip:
    """One question. `under` says in sentences what changed under it; `documents` are those changed ones that it rests on,
    by right or by what was read for it."""

    question_id: str
    question: str
    before: float
    after: float
    change: float
    answer_before: str | None
    answer_after: str | None
    under: tuple[str, ...]
    documents: tuple[str, ...]


@dataclass(frozen=True)
class Questions:
    """The flips in one metric, the worst first, and questions that are in one evaluation set only or were changed in it."""

    metric: str
    compared: int
    worse: int
    better: int
    flips: tuple[Flip, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Answered:
    """One side's question with its answer, empty where it is not known."""

    question: dict[str, Any]
    answer: dict[str, Any]
    reads: int

    @property
    def documents(self) -> list[str]:
        """Those of the passages that the model read, in order."""
        return (self.answer.get("documents") or [])[: self.reads]

    @property
    def passages(self) -> list[str]:
        return (self.answer.get("passages") or [])[: self.reads]

    def rank(self, wanted: Sequence[str]) -> int | None:
        """The place of the first right document among all that were found, from 1."""
        found = self.answer.get("documents") or []
        return next((place for place, each in enumerate(found, start=1) if each in wanted), None)


Known = Mapping[str, Answered]  # by question


def read_documents(*sides: Known) -> set[str]:
    """All documents that some question was answered from or rests on."""
    found: set[str] = set()
    for side in sides:
        for each in side.values():
            found.update(each.documents, each.question.get("documents") or ())
    return found


def questions(was: Known, now: Known, old: Report, new: Report, metric: str, changed: Documents | None) -> Questions:
    """Every question whose score in `metric` is another. `was` and `now` are what `answered` found."""
    first, second = old.scores.get(metric, {}), new.scores.get(metric, {})
    shared = [each for each in first.keys() & second.keys() if old.asked[each] == new.asked[each]]
    moved = sorted(
        (each for each in shared if abs(second[each] - first[each]) > LEAST),
        key=lambda each: (second[each] - first[each], each),
    )
    nothing = Answered({}, {}, 0)
    flips = [_flip(each, first[each], second[each], was.get(each, nothing), now.get(each, nothing), changed) for each in moved]
    return Questions(
        metric=metric,
        compared=len(shared),
        worse=sum(each.change < 0 for each in flips),
        better=sum(each.change > 0 for each in flips),
        flips=tuple(flips),
        added=tuple(sorted(new.asked.keys() - old.asked.keys())),
        removed=tuple(sorted(old.asked.keys() - new.asked.keys())),
        changed=tuple(sorted(each for each in old.asked.keys() & new.asked.keys() if old.asked[each] != new.asked[each])),
    )


def answered(side: Side) -> dict[str, Answered]:
    """Every question with its answer; what cannot be read is empty."""
    asked = _rows(side, "eval_questions", "id", ["id", "question", "documents"])
    said = _rows(side, "answers", "question_id", None)
    reads = side.spec.get("passages") or 0
    return {each: Answered(asked.get(each, {}), said.get(each, {}), reads) for each in asked.keys() | said.keys()}


def _rows(side: Side, name: str, key: str, columns: list[str] | None) -> dict[str, dict[str, Any]]:
    try:
        version = side.part(name)
        if not version.has(f"{version.noun}.parquet"):
            return {}
        with reading(side, name):
            return {row[key]: row for row in version.table(columns=columns).to_pylist()}
    except Unknown:
        return {}


def _flip(key: str, before: float, after: float, was: Answered, now: Answered, changed: Documents | None) -> Flip:
    right = now.question.get("documents") or was.question.get("documents") or []
    touched = changed.touched if changed else frozenset()
    rests_on = [each for each in dict.fromkeys([*right, *was.documents, *now.documents]) if each in touched]
    return Flip(
        question_id=key,
        question=now.question.get("question") or was.question.get("question") or key,
        before=before,
        after=after,
        change=after - before,
        answer_before=was.answer.get("answer"),
        answer_after=now.answer.get("answer"),
        under=tuple(_under(was, now, right, changed)),
        documents=tuple(rests_on),
    )


def _under(was: Answered, now: Answered, right: Sequence[str], changed: Documents | None) -> Iterator[str]:
    yield from _of_documents(was, now, right, changed)
    yield from _of_passages(was, now, right)
    yield from _of_answer(was.answer, now.answer)


def _of_documents(was: Answered, now: Answered, right: Sequence[str], changed: Documents | None) -> Iterator[str]:
    if changed is None:
        return
    edited = {each.doc_id for each in changed.edited}
    for word, kind in (("edited", edited), ("removed", {*changed.removed}), ("added", {*changed.added})):
        if found := [each for each in right if each in kind]:
            yield f"its document was {word}: {_named(found)}"
    read = [each for each in dict.fromkeys([*was.documents, *now.documents]) if each in edited and each not in right]
    if read:
        yield f"a document that was read was edited: {_named(read)}"


def _of_passages(was: Answered, now: Answered, right: Sequence[str]) -> Iterator[str]:
    first, second = dict.fromkeys(was.documents), dict.fromkeys(now.documents)
    if lost := [each for each in first if each not in second]:
        yield f"no longer read: {_named(lost)}"
    if gained := [each for each in second if each not in first]:
        yield f"read instead: {_named(gained)}" if lost else f"also read: {_named(gained)}"
    if not lost and not gained and was.passages != now.passages:
        same = {*was.passages} == {*now.passages}
        yield "the same passages in another order" if same else "other passages of the same documents"
    old, new = was.rank(right), now.rank(right)
    if right and was.answer and now.answer and old != new:
        yield f"its document is {_placed(new)}, was {_placed(old)}"


def _of_answer(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    if not old or not new:
        return
    if problem := new.get("error") or old.get("error"):
        yield f"failed {'now' if new.get('error') else 'before'}: {problem}"
        return
    if bool(old.get("refused")) != bool(new.get("refused")):
        yield "refused now" if new.get("refused") else "no longer refused"
    if old.get("answer") == new.get("answer"):
        yield "the same answer is scored otherwise"
    elif old.get("prompt_digest") and old.get("prompt_digest") == new.get("prompt_digest"):
        yield "the same prompt, another answer"


def _named(found: Sequence[str]) -> str:
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{', '.join(found[:NAMED])}{more}"


def _placed(rank: int | None) -> str:
    return "not found" if rank is None else f"at place {rank}"
