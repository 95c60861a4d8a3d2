"""Questions that people wrote, with answers known to be right: loading, placing on a side, and the asset eval_questions."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from llmops_pipelines.config.pipeline import Questions
from llmops_pipelines.config.words import Words
from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Draft, Lake, Refusal, Version

from .splits import side
from .wording import owners, plain

CODE = "eval_questions/1"


class QuestionsError(Refusal):
    """The question files cannot be used; the message names every fault."""


class Row(Words):
    """One line of a question file."""

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: list[str]
    documents: list[str] = Field(min_length=1)
    answerable: bool

    @model_validator(mode="after")
    def _answers_fit(self) -> "Row":
        if self.answerable and not any(answer.strip() for answer in self.answers):
            raise ValueError("answers: an answerable question needs one; write one, or set answerable to false")
        if not self.answerable and self.answers:
            raise ValueError("answers: an unanswerable question has none; use []")
        return self


@dataclass(frozen=True)
class Question:
    """A question whose documents are in the corpus. `documents` are doc_ids; `cluster` is the smallest of theirs."""

    id: str
    question: str
    answers: tuple[str, ...]
    documents: tuple[str, ...]
    answerable: bool
    cluster: str


@dataclass(frozen=True)
class Placed:
    """Both sides of the questions, and (id, reason) of those that cannot be used."""

    held_out: list[Question]
    train: list[Question]
    dropped: list[tuple[str, str]]


def load(settings: Questions, project: Path) -> list[Row]:
    """All rows sorted by id. Raises `QuestionsError` with every fault of every file as `file:line  field: ...`."""
    folder = project / settings.path
    anchor = Path(folder.anchor)
    paths = sorted(folder.rglob("*.jsonl") if folder.is_dir() else anchor.glob(folder.relative_to(anchor).as_posix()))
    if not paths:
        raise QuestionsError(f"questions.path: no JSON Lines file matches {settings.path!r} below {project}")
    rows, faults = [], []
    place: dict[str, str] = {}
    for path in paths:
        name = path.relative_to(project) if path.is_relative_to(project) else path
        for number, line in enumerate(path.read_text("utf-8-sig").split("\n"), start=1):
            here = f"{name}:{number}"
            row, wrong = _row(line)
            faults += [f"{here}  {fault}" for fault in wrong]
            if row and row.id in place:
                faults.append(f"{here}  id: {row.id!r} is taken by {place[row.id]}; ids are unique over all files")
            elif row:
                place[row.id] = here
                rows.append(row)
    if faults:
        raise QuestionsError("\n".join(faults))
    return sorted(rows, key=lambda row: row.id)


def _row(line: str) -> tuple[Row | None, list[str]]:
    if not line.strip():
        return None, []
    try:
        return Row.model_validate(json.loads(line), strict=True), []
    except json.JSONDecodeError as error:
        return None, [f"line: not JSON ({error.msg} at column {error.colno})"]
    except ValidationError as error:
        return None, [_fault(part) for part in error.errors()]


def _fault(part: Any) -> str:
    field = ".".join(map(str, part["loc"]))
    message = part["msg"].removeprefix("Value error, ")
    value = json.dumps(part["input"], ensure_ascii=False)[:60]
    shown = "" if part["type"] in ("missing", "value_error") else f" (it is {value})"
    return f"{field}: {message}{shown}" if field else message


def place(rows: list[Row], documents: Version, held_out: float) -> Placed:
    """Put each question on the side of its documents. Of questions with the same words the first by id is kept."""
    table = documents.table().select(["doc_id", "uri", "cluster"]).to_pylist()
    cluster = {row["doc_id"]: row["cluster"] for row in table}
    by_uri: dict[str, list[str]] = {}
    for row in table:
        by_uri.setdefault(row["uri"], []).append(row["doc_id"])
    placed = Placed([], [], [])
    seen: set[str] = set()
    for row in rows:
        names = [[name] if name in cluster else by_uri.get(name, []) for name in row.documents]
        doc_ids = tuple(dict.fromkeys(found[0] for found in names if len(found) == 1))
        clusters = sorted(cluster[doc_id] for doc_id in doc_ids)
        sides = {side(each, held_out) for each in clusters}
        if plain(row.question) in seen:
            placed.dropped.append((row.id, "duplicate_question"))
        elif any(len(found) > 1 for found in names):
            placed.dropped.append((row.id, "document_in_several_sources"))
        elif not doc_ids:
            placed.dropped.append((row.id, "document_not_in_corpus"))
        elif len(sides) > 1:
            placed.dropped.append((row.id, "documents_on_both_sides"))
        else:
            seen.add(plain(row.question))
            answers = tuple(answer for answer in row.answers if answer.strip())
            question = Question(row.id, row.question, answers, doc_ids, row.answerable, clusters[0])
            (placed.held_out if sides == {"held_out"} else placed.train).append(question)
    return placed


def eval_questions(lake: Lake, documents: Version, questions: Questions, project: Path) -> Version:
    """Asset eval_questions: the questions whose documents are held out. Raises `QuestionsError` for faulty files, and
    when no question is left, since without one nothing can be measured."""
    rows = load(questions, project)

    def write(draft: Draft) -> None:
        placed = place(rows, documents, questions.held_out)
        if not placed.held_out:
            raise QuestionsError(
                f"{questions.path}: none of {len(rows)} questions is on the held-out side "
                f"({len(placed.train)} train, {len(placed.dropped)} dropped); raise questions.held_out or add questions"
            )
        texts = texts_of(lake, documents, {doc_id for question in placed.held_out for doc_id in question.documents})
        _write(draft, placed, texts)

    config = {"held_out": questions.held_out, "rows": rows}
    return lake.once("eval_questions", code=CODE, config=config, parents=[documents], write=write)


def train_side(documents: Version, questions: Questions, project: Path) -> list[Question]:
    """Answerable questions about documents that are not held out: what settings may be chosen by, since the gate is not."""
    placed = place(load(questions, project), documents, questions.held_out)
    return [question for question in placed.train if question.answerable]


def texts_of(lake: Lake, documents: Version, doc_ids: set[str]) -> dict[str, str]:
    """Cleaned text of each document."""
    table = documents.table().select(["doc_id", "content_hash"]).to_pylist()
    wanted = {row["doc_id"]: row["content_hash"] for row in table if row["doc_id"] in doc_ids}
    hashes = sorted(set(wanted.values()))
    texts = dict(zip(hashes, corpus.texts(lake, hashes), strict=True))
    return {doc_id: texts[content] for doc_id, content in wanted.items()}


def read(version: Version) -> Iterator[Question]:
    """The rows of an eval_questions version."""
    for row in version.table().to_pylist():
        yield Question(**{**row, "answers": tuple(row["answers"]), "documents": tuple(row["documents"])})


def _write(draft: Draft, placed: Placed, texts: dict[str, str]) -> None:
    import pyarrow as pa

    names = pa.list_(pa.string())
    kinds = [("id", pa.string()), ("question", pa.string()), ("answers", names), ("documents", names)]
    schema = pa.schema([*kinds, ("answerable", pa.bool_()), ("cluster", pa.string())])
    draft.table("eval_questions", pa.Table.from_pylist([vars(question) for question in placed.held_out], schema))
    dropped = pa.schema([("id", pa.string()), ("reason", pa.string())])
    draft.table("dropped", pa.table(list(columns(placed.dropped)), schema=dropped), data=False)
    # The leak check reads these windows instead of the texts, so that it stands on its own.
    held = [(window, doc_id) for window, found in sorted(owners(texts).items()) for doc_id in sorted(found)]
    ids, docs = columns(held)
    windows = pa.schema([("window", pa.int64()), ("doc_id", pa.string())])
    draft.table("held_out_windows", pa.table([ids, docs], schema=windows), data=False)
    asked = placed.held_out
    draft.facts |= {
        "questions": len(asked),
        "answerable": sum(question.answerable for question in asked),
        "documents": len(texts),
        "train_side_questions": len(placed.train),
        "answer_not_in_document": sum(_stale(question, texts) for question in asked),
        "dropped": len(placed.dropped),
        **{f"dropped_{reason}": count for reason, count in sorted(Counter(r for _, r in placed.dropped).items())},
    }


def columns(pairs: list[tuple]) -> tuple[list, list]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def _stale(question: Question, texts: dict[str, str]) -> bool:
    """No known answer is a phrase of the question's documents: often a document was edited and the question was not."""
    there = [plain(texts[doc_id]) for doc_id in question.documents]
    return question.answerable and not any(plain(answer) in text for answer in question.answers for text in there)
