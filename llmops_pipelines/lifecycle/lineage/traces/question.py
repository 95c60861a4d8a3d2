"""One question at one release: what was retrieved, read, answered and scored then, and what the same release answers now.

Asking again loads the release's model and is done by whoever calls; comparing is done here, showing in `question_page.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Lake, Refusal, Version

from ..graph import Records
from .tables import rows_where

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.evaluation.candidates import Spec
    from llmops_pipelines.lifecycle.release.history import Release
    from llmops_pipelines.lifecycle.release.serving import Reply

SAME = 1e-6  # scores that differ by less are the same
ASKED = ("id", "question", "answers", "documents", "answerable")
Ask = Callable[[str, bool], "Reply"]  # a question, and whether it is one of evaluation, which sees every passage
TOLD = ("answer", "refused", "passages", "documents", "read", "prompt_digest", "withdrawn", "error")


class Unanswered(Refusal):
    """There is nothing to say about the question: it was never recorded, and nobody asked it now."""


@dataclass(frozen=True)
class Retrieved:
    """A passage that was found, best first. `score` is None where it was not recorded, `text` empty where it is gone."""

    chunk_id: str
    doc_id: str
    text: str
    read: bool
    score: float | None = None


@dataclass(frozen=True)
class Heard:
    """What became of the question once. `prompt` is rendered from the release's prompt and the passages that were read;
    `prompt_digest` is what was recorded of it, `prompt_fits` whether these agree, None where nothing was recorded."""

    release: int
    answer: str | None
    refused: bool
    withdrawn: str | None
    error: str | None
    passages: list[Retrieved]
    prompt: str
    prompt_digest: str
    prompt_fits: bool | None
    scores: dict[str, float | None]


@dataclass(frozen=True)
class QuestionTrace:
    """The answer to "what became of this question?". `then` is None for a text that is no evaluation question of the release,
    `now` where it was not asked again, `live` where the release is the live one or did not record it. `differs` are sentences
    about `then` and `now`."""

    pipeline: str
    release: int
    question_id: str
    question: str
    references: list[str]
    documents: list[str]
    then: Heard | None
    now: Heard | None
    live: Heard | None
    not_asked: str = ""
    differs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Question:
    """What was asked; without an id it is no evaluation question."""

    text: str
    id: str = ""
    references: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()


def trace_question(
    lake: Lake,
    release: "Release",
    wanted: str,
    ask: "Ask | None" = None,
    live: "Release | None" = None,
) -> QuestionTrace:
    """`wanted` is the id or the words of an evaluation question, or any text. `ask` answers with the release now; what stops it
    is kept as a sentence. Raises `Unanswered` for a text that nothing can be said about."""
    records, spec = Records(lake), _spec(release)
    question = _question(records, release, wanted, spec)
    then = _recorded(records, release, question, spec)
    now, not_asked = _asked(release, question, spec, ask)
    if then is None and now is None:
        reason = not_asked or "it was not asked now; leave out --recorded to ask it"
        raise Unanswered(f"release {release.epoch} of {lake.pipeline} recorded no answer to {wanted!r}: {reason}")
    other = live if live and live.epoch != release.epoch else None
    return QuestionTrace(
        pipeline=lake.pipeline,
        release=release.epoch,
        question_id=question.id,
        question=question.text,
        references=list(question.references),
        documents=list(question.documents),
        then=then,
        now=now,
        live=_recorded(records, other, question, _spec(other)) if other else None,
        not_asked=not_asked,
        differs=_differences(then, now),
    )


def _spec(release: "Release") -> "Spec | None":
    from llmops_pipelines.lifecycle.evaluation.candidates import Spec

    return Spec.read(release.candidate["spec"]) if release.candidate else None


def _part(records: Records, release: "Release", role: str) -> Version | None:
    part = release.parts.get(role)
    return records.pinned(release.asset(role), part["fingerprint"]) if part else None


def _question(records: Records, release: "Release", wanted: str, spec: "Spec | None") -> _Question:
    asked = _part(records, release, "eval_questions")
    if asked is None:
        return _Question(wanted)
    rows = rows_where(asked, "id", [wanted], ASKED) or rows_where(asked, "question", [wanted], ASKED)
    if not rows:
        return _Question(wanted)
    row = rows[0]
    references = tuple(row["answers"]) if row["answerable"] or not spec else (spec.refusal,)
    return _Question(row["question"], row["id"], references, tuple(row["documents"]))


def _recorded(records: Records, release: "Release", question: _Question, spec: "Spec | None") -> Heard | None:
    answers = _part(records, release, "answers")
    rows = rows_where(answers, "question_id", [question.id], TOLD) if answers and question.id else []
    if not rows:
        return None
    row = rows[0]
    prompt, made = _prompt(spec, row["read"] or [], question.text)
    kept = row.get("prompt_digest") or ""
    return Heard(
        release=release.epoch,
        answer=row["answer"],
        refused=bool(row["refused"]),
        withdrawn=row.get("withdrawn"),
        error=row.get("error"),
        passages=_retrieved(records, release, row),
        prompt=prompt,
        prompt_digest=kept,
        prompt_fits=made == kept if kept and made else None,
        scores=_scores(records, release, question.id),
    )


def _prompt(spec: "Spec | None", read: Sequence[str], question: str) -> tuple[str, str]:
    """The text that a model reads and its digest; empty where no model answers."""
    from llmops_pipelines.lifecycle.evaluation.models import Request

    if spec is None or spec.prompt is None or (spec.retrieves and not read):
        return "", ""
    request = Request(spec.prompt, tuple(read), question)
    return request.text, request.digest


def _retrieved(records: Records, release: "Release", row: dict[str, Any]) -> list[Retrieved]:
    """What was read has its text in the record; that of the others is cut from the documents once more."""
    found = list(zip(row["passages"] or [], row["documents"] or [], strict=False))
    read = row["read"] or []
    texts = _texts(records, release, found[len(read) :])
    return [
        Retrieved(name, doc_id, read[rank] if rank < len(read) else texts.get(name, ""), rank < len(read))
        for rank, (name, doc_id) in enumerate(found)
    ]


def _texts(records: Records, release: "Release", found: list[tuple[str, str]]) -> dict[str, str]:
    from llmops_pipelines.lifecycle import corpus

    chunks = _part(records, release, "chunks")
    if chunks is None or not found:
        return {}
    rows = rows_where(chunks, "doc_id", {doc_id for _, doc_id in found}, ("chunk_id", "content_hash", "start", "end"))
    wanted = [row for row in rows if row["chunk_id"] in {name for name, _ in found}]
    try:
        whole = corpus.texts(records.lake, [row["content_hash"] for row in wanted])
    except KeyError:
        return {}
    return {row["chunk_id"]: text[row["start"] : row["end"]] for row, text in zip(wanted, whole, strict=True)}


def _scores(records: Records, release: "Release", question_id: str) -> dict[str, float | None]:
    scores = _part(records, release, "eval_scores")
    rows = rows_where(scores, "question_id", [question_id], ("metric", "score")) if scores else []
    return {row["metric"]: row["score"] for row in rows}


def _asked(release: "Release", question: _Question, spec: "Spec | None", ask: "Ask | None") -> tuple[Heard | None, str]:
    """The answer of now, or why there is none."""
    if ask is None:
        return None, ""
    try:
        reply = ask(question.text, bool(question.id))
    except Refusal as refusal:
        return None, str(refusal)
    read = [hit.context or hit.text for hit in reply.passages]
    prompt, made = _prompt(spec, read, question.text)
    passages = [
        Retrieved(hit.chunk_id, hit.doc_id, text, True, hit.score) for hit, text in zip(reply.passages, read, strict=True)
    ]
    refused = spec is not None and _same_words(reply.answer, spec.refusal)
    scores = _measured(question, reply.answer, refused, spec, [hit.doc_id for hit in reply.passages])
    return Heard(release.epoch, reply.answer, refused, None, None, passages, prompt, made, None, scores), ""


def _same_words(said: str, other: str) -> bool:
    from llmops_pipelines.lifecycle.evaluation.text_metrics import normalised

    return normalised(said) == normalised(other)


def _measured(
    question: _Question, answer: str, refused: bool, spec: "Spec | None", found: Sequence[str]
) -> dict[str, float | None]:
    """The metrics that need no library, as evaluation measures them; empty for what is no evaluation question."""
    from llmops_pipelines.lifecycle.evaluation.text_metrics import best, exact_match, token_f1

    if not question.references:
        return {}
    answerable = spec is None or not _same_words(question.references[0], spec.refusal)
    scores: dict[str, float | None] = {
        "exact_match": best(exact_match, answer, question.references),
        "token_f1": best(token_f1, answer, question.references),
        "refusal_right": float(refused != answerable),
    }
    if answerable and question.documents and spec is not None and spec.retrieves:
        right = len(set(found) & set(question.documents))
        scores["document_precision"] = right / max(1, len(set(found)))
        scores["document_recall"] = right / len(set(question.documents))
    return scores


def _differences(then: Heard | None, now: Heard | None) -> list[str]:
    found = []
    if then and then.prompt_fits is False:
        found.append(
            "the recorded passages and the release's prompt do not make the recorded prompt: a record was changed, or the code "
            "that renders prompts"
        )
    if then is None or now is None:
        return found
    if (then.answer, then.refused) != (now.answer, now.refused):
        found.append(f"it answered {then.answer!r} then and answers {now.answer!r} now")
    before = [each.chunk_id for each in then.passages if each.read]
    after = [each.chunk_id for each in now.passages]
    if before != after:
        found.append(f"it read {_names(then.passages)} then and reads {_names(now.passages)} now")
    elif then.prompt_digest and now.prompt_digest and then.prompt_digest != now.prompt_digest:
        found.append("the same passages make another prompt now: their text, or what surrounds it, changed")
    for metric in sorted(then.scores.keys() & now.scores.keys()):
        old, new = then.scores[metric], now.scores[metric]
        if old is not None and new is not None and abs(old - new) > SAME:
            found.append(f"{metric} was {old:.3f} and is {new:.3f}")
    return found


def _names(passages: Sequence[Retrieved]) -> str:
    return ", ".join(f"{each.doc_id} ({each.chunk_id[:8]})" for each in passages if each.read) or "nothing"
