"""The asset training_examples: prompts and completions from train-side documents and questions; no model takes part.

Which rows there are is decided here; what a prompt looks like is in `prompts.py`, made-up questions in `pairs.py`.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from llmops_pipelines.config.pipeline import Answers, Questions, Training
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, digest

from .pairs import pairs
from .prompts import completion, prompt
from .questions import Placed, Question, QuestionsError, load, place, texts_of
from .shelf import Passage, Shelf
from .splits import side, trainable
from .wording import copied_from, owners, plain

CODE = "training_examples/2"
DRAWS = 2  # rows per written question, each with other passages beside the right one
WRONG_EVERY = 12  # of so many answered rows one is asked again with wrong passages, to be refused
BATCH = 256  # documents whose text is in memory at a time


@dataclass(frozen=True)
class Row:
    """One row of the table training_examples."""

    example_id: str
    prompt: str
    completion: str
    doc_ids: list[str]
    cluster: str
    origin: str


@dataclass
class Maker:
    """Turns questions into rows. Each row draws from a generator of its own, so that rows do not depend on each other."""

    shelf: Shelf
    settings: Answers
    dropped: Counter = field(default_factory=Counter)

    def answered(self, key: str, question: str, answers: list[str], gold: Passage, origin: str) -> Iterator[Row]:
        """The row with the right passage, and for some questions a second one without it."""
        rng = _random(key)
        said = next(answer for answer in answers if gold.holds([answer]))
        others = self.shelf.others(rng, self.settings.passages - 1, answers, gold.doc_id, [gold])
        yield self._row(rng, question, said, [gold, *others], gold.cluster, origin)
        if rng.randrange(WRONG_EVERY) == 0:
            wrong = self.shelf.others(rng, self.settings.passages, answers, gold.doc_id, [gold])
            if wrong:
                yield self._row(rng, question, self.settings.refusal, wrong, gold.cluster, "wrong_passages")

    def refused(self, key: str, question: str, nearest: Passage) -> Iterator[Row]:
        rng = _random(key)
        others = self.shelf.others(rng, self.settings.passages - 1, [], nearest.doc_id, [nearest])
        yield self._row(rng, question, self.settings.refusal, [nearest, *others], nearest.cluster, "unanswerable")

    def _row(self, rng: random.Random, question: str, said: str, passages: list[Passage], cluster: str, origin: str) -> Row:
        rng.shuffle(passages)
        text, said = prompt([passage.text for passage in passages], question), completion(said)
        doc_ids = sorted({passage.doc_id for passage in passages})
        return Row(digest([origin, text, said])[:32], text, said, doc_ids, cluster, origin)


def training_examples(
    lake: Lake, documents: Version, chunks: Version, questions: Questions, training: Training, answers: Answers, project: Path
) -> Version:
    """Asset training_examples. Holds the chunks of the train side in memory. Raises `QuestionsError` when no row results."""
    rows = load(questions, project)

    def write(draft: Draft) -> None:
        placed = place(rows, documents, questions.held_out)
        held = owners(texts_of(lake, documents, {doc_id for question in placed.held_out for doc_id in question.documents}))
        maker = Maker(Shelf([]), answers)
        maker.shelf = _shelf(lake, documents, chunks, questions.held_out, held, maker.dropped)
        made = list(_written(maker, placed))
        made += _generated(lake, documents, maker, {plain(q.question) for q in placed.held_out}, training.pairs_per_document)
        _write(draft, made, maker)

    config = {
        "held_out": questions.held_out,
        "rows": rows,
        "pairs_per_document": training.pairs_per_document,
        "passages": answers.passages,
        "refusal": answers.refusal,
    }
    return lake.once("training_examples", code=CODE, config=config, parents=[documents, chunks], write=write)


def _shelf(
    lake: Lake, documents: Version, chunks: Version, held_out: float, held: dict[int, set[str]], dropped: Counter
) -> Shelf:
    known = documents.table(columns=["doc_id", "cluster", "consent", "trust"]).to_pylist()
    cluster = {row["doc_id"]: row["cluster"] for row in known}
    may_be_learnt = {row["doc_id"] for row in known if trainable(row["consent"], row["trust"])}
    table = chunks.table(columns=["doc_id", "start", "end"]).to_pylist()
    found = []
    for row, text in zip(table, index.passages(lake, chunks), strict=True):
        if side(cluster[row["doc_id"]], held_out) != "train":
            continue
        if row["doc_id"] not in may_be_learnt:
            dropped["no_consent_or_trust"] += 1
        elif copied_from(text, held):
            dropped["passage_like_held_out_text"] += 1
        else:
            found.append(Passage(cluster=cluster[row["doc_id"]], text=text, **row))
    return Shelf(found)


def _written(maker: Maker, placed: Placed) -> Iterator[Row]:
    for question in placed.train:
        if not question.answerable:
            nearest = maker.shelf.nearest(question.documents, question.question)
            if nearest:
                yield from maker.refused(question.id, question.question, nearest)
            else:
                maker.dropped["no_passage"] += 1
            continue
        gold = _gold(maker.shelf, question)
        if not gold:
            maker.dropped["answer_not_in_passage"] += 1
            continue
        for draw in range(DRAWS):
            yield from maker.answered(f"{question.id}/{draw}", question.question, list(question.answers), gold, "question")


def _gold(shelf: Shelf, question: Question) -> Passage | None:
    return shelf.answering(question.documents, question.question, question.answers)


def _generated(lake: Lake, documents: Version, maker: Maker, asked: set[str], limit: int) -> Iterator[Row]:
    titles = dict(zip(*(documents.table().column(name).to_pylist() for name in ("doc_id", "title")), strict=True))
    doc_ids = sorted(maker.shelf.by_document) if limit else []
    for first in range(0, len(doc_ids), BATCH):
        texts = texts_of(lake, documents, set(doc_ids[first : first + BATCH]))
        for doc_id in doc_ids[first : first + BATCH]:
            for pair in pairs(texts[doc_id], titles[doc_id] or doc_id, limit):
                gold = maker.shelf.covering(doc_id, pair.start, pair.end)
                if plain(pair.question) in asked:
                    maker.dropped["question_in_evaluation"] += 1
                elif gold is None or not gold.holds([pair.answer]):
                    maker.dropped["answer_not_in_passage"] += 1
                else:
                    yield from maker.answered(f"{doc_id}/{pair.question}", pair.question, [pair.answer], gold, pair.origin)


def _write(draft: Draft, made: list[Row], maker: Maker) -> None:
    import pyarrow as pa

    rows = list({row.example_id: row for row in made}.values())
    if not rows:
        raise QuestionsError(
            f"no training example results from {len(maker.shelf.passages)} passages on the train side; "
            "lower questions.held_out, or raise training.pairs_per_document"
        )
    kinds = {"example_id": pa.string(), "prompt": pa.string(), "completion": pa.string(), "doc_ids": pa.list_(pa.string())}
    schema = pa.schema({**kinds, "cluster": pa.string(), "origin": pa.string()})
    draft.table("training_examples", pa.Table.from_pylist([vars(row) for row in rows], schema))
    maker.dropped["repeated_row"] += len(made) - len(rows)
    draft.facts |= {
        "examples": len(rows),
        "documents": len({doc_id for row in rows for doc_id in row.doc_ids}),
        "clusters": len({row.cluster for row in rows}),
        "refusals": sum(row.completion == completion(maker.settings.refusal) for row in rows),
        **{f"origin_{origin}": count for origin, count in sorted(Counter(row.origin for row in rows).items())},
        **{f"dropped_{reason}": count for reason, count in sorted(maker.dropped.items()) if count},
    }


def _random(key: str) -> random.Random:
    return random.Random(hashlib.sha256(key.encode("utf-8")).digest())
