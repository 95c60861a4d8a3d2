"""Questions that people wrote, with answers known to be right: placing them on a side, and the asset eval_questions.

How the files are read and what a line may say is in `question_files.py`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmops_pipelines.config.datasets import Questions
from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version

from .json_lines import QuestionsError
from .question_files import Row, load, superseded
from .splits import clusters_of, sides_of
from .wording import owners, plain

CODE = "eval_questions/2"
SAID = ("topic", "language", "author", "reviewed_by", "supersedes")  # what a line may say besides


@dataclass(frozen=True)
class Question:
    """A question whose documents are in the corpus. `documents` are doc_ids; `cluster` is the smallest of theirs."""

    id: str
    question: str
    answers: tuple[str, ...]
    documents: tuple[str, ...]
    answerable: bool
    cluster: str
    topic: str | None = None
    language: str | None = None
    author: str | None = None
    reviewed_by: str | None = None
    supersedes: str | None = None


@dataclass(frozen=True)
class Placed:
    """Both sides of the questions, and (id, reason) of those that cannot be used."""

    held_out: list[Question]
    train: list[Question]
    dropped: list[tuple[str, str]]


def place(rows: list[Row], documents: Version, held_out: float) -> Placed:
    """Put each question on the side of its documents. Of questions with the same words the first by id is kept."""
    found, cluster = sides_of(documents, held_out), clusters_of(documents)
    by_uri: dict[str, list[str]] = {}
    table = documents.table(columns=["doc_id", "uri"])
    for doc_id, uri in zip(table.column("doc_id").to_pylist(), table.column("uri").to_pylist(), strict=True):
        by_uri.setdefault(uri, []).append(doc_id)
    placed = Placed([], [], [])
    corrected, seen = superseded(rows), set()
    for row in rows:
        names = [[name] if name in cluster else by_uri.get(name, []) for name in row.documents]
        doc_ids = tuple(dict.fromkeys(some[0] for some in names if len(some) == 1))
        places = {found[doc_id] for doc_id in doc_ids}
        if row.id in corrected:
            placed.dropped.append((row.id, "superseded"))
        elif plain(row.question) in seen:
            placed.dropped.append((row.id, "duplicate_question"))
        elif any(len(some) > 1 for some in names):
            placed.dropped.append((row.id, "document_in_several_sources"))
        elif not doc_ids:
            placed.dropped.append((row.id, "document_not_in_corpus"))
        elif "neither" in places:
            placed.dropped.append((row.id, "document_like_a_held_out_one"))
        elif len(places) > 1:
            placed.dropped.append((row.id, "documents_on_both_sides"))
        else:
            seen.add(plain(row.question))
            question = _question(row, doc_ids, min(cluster[doc_id] for doc_id in doc_ids))
            (placed.held_out if places == {"held_out"} else placed.train).append(question)
    return placed


def _question(row: Row, doc_ids: tuple[str, ...], cluster: str) -> Question:
    answers = tuple(answer for answer in row.answers if answer.strip())
    said = {name: getattr(row, name) for name in SAID}
    return Question(row.id, row.question, answers, doc_ids, row.answerable, cluster, **said)


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
    kinds += [("answerable", pa.bool_()), ("cluster", pa.string())]
    schema = pa.schema([*kinds, *((name, pa.string()) for name in SAID)])
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
