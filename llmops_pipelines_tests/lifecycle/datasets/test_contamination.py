"""Each kind of contamination is planted into clean training examples; the check must name it, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from llmops_pipelines.config.datasets import Decontamination
from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.datasets import Material, QuestionsError, Remembering, contaminated
from llmops_pipelines.lifecycle.datasets.contamination import Taught, alike
from llmops_pipelines.lifecycle.datasets.questions import Question
from llmops_pipelines.lifecycle.datasets.wording import words
from llmops_pipelines.lifecycle.index import Embedder

from .conftest import HERON, MOLE
from .test_examples import rows_of

CLEAN = {"question": "Who painted it?", "answer": "Liss Morrow", "contexts": ["The artist Liss Morrow painted the panel."]}
LONG = "Which tools does the keeper carry up the iron ladder of the old stone tower on the first Monday?"


class Bags:
    """Texts as unit vectors of their words: the same words in another order are the same text."""

    fingerprint = "bags"

    def embed(self, texts) -> np.ndarray:
        vectors = np.zeros((len(texts), 256), np.float32)
        for row, text in enumerate(texts):
            for word in words(text):
                vectors[row, sum(map(ord, word)) % 256] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def contamination_of(shop, row: dict, **settings) -> list[str]:
    training = SimpleNamespace(table=lambda columns: pa.Table.from_pylist([CLEAN, CLEAN | row]).select(columns))
    return contaminated(shop.eval_questions(), training, Bags(), Decontamination(**settings))


def ask_long(shop) -> None:
    answer = "a linen cloth, a tin of spirit and a small brush"
    shop.rows.append({"id": "q6", "question": LONG, "answers": [answer], "documents": [MOLE], "answerable": True})
    shop.write_questions()


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"question": "How many watts does it use?", "answer": "18"},
        {"contexts": ["A linen cloth, a tin of spirit and so on."]},
    ],
)
def test_clean_examples_are_clean(shop, row):
    ask_long(shop)
    assert contamination_of(shop, row) == []


@pytest.mark.parametrize(
    "row",
    [
        {"question": f"Tell me: {LONG.removesuffix(' on the first Monday?')}"},
        {"contexts": ["A clean passage.", "He brings a linen cloth, a tin of spirit and a small brush, as told."]},
        {"answer": "A linen cloth, a tin of spirit, and a small brush!"},
    ],
)
def test_a_run_of_the_words_of_evaluation(shop, row):
    ask_long(shop)
    assert contamination_of(shop, row) == ["1 evaluation questions share 13 words or all of theirs with training: q6"]


def test_shorter_runs_are_found_when_wanted(shop):
    ask_long(shop)
    row = {"contexts": ["The keeper must carry up the iron ladder of the boat."]}
    assert contamination_of(shop, row) == [] and contamination_of(shop, row, window=7) != []


def test_the_same_question_in_other_words_with_its_answer(shop):
    row = {"question": "The lamp does use how many watts?", "answer": "18 watts"}
    said = ["1 evaluation questions are taught in other words, with their answer: q4"]
    assert contamination_of(shop, row) == said
    assert contamination_of(shop, row | {"answer": "25 watts"}) == []  # another lamp
    assert contamination_of(shop, row | {"question": "The winch does use how many kilowatts?"}) == []
    training = SimpleNamespace(table=lambda columns: pa.Table.from_pylist([CLEAN | row]).select(columns))
    assert contaminated(shop.eval_questions(), training, None, Decontamination()) == []


def test_what_asks_the_same_in_other_words_is_not_taught(shop):
    shop.texts[HERON] += "\n\nThe lamp on deck needs 18 watts."
    question = {"id": "q7", "question": "The lamp does use how many watts?", "answers": ["18"]}
    shop.rows.append(question | {"documents": [HERON], "answerable": True})
    shop.write_questions()
    careless = contaminated(shop.eval_questions(), shop.training_examples(), Bags(), Decontamination())
    assert careless == ["1 evaluation questions are taught in other words, with their answer: q4"]
    shop.material = Material(embedder=Bags())
    version = shop.training_examples()
    assert contaminated(shop.eval_questions(), version, Bags(), Decontamination()) == []
    assert version.facts["dropped_taught_in_other_words"] == 1


def test_a_passage_with_the_words_of_an_evaluation_answer_is_not_read(shop):
    shop.texts[HERON] += "\n\nA box holds a linen cloth, a tin of spirit and a small brush."
    ask_long(shop)
    version = shop.training_examples()
    assert version.facts["dropped_passage_like_held_out_text"] == 1
    assert contaminated(shop.eval_questions(), version, Bags(), Decontamination()) == []
    assert not any("tin of spirit" in text for row in rows_of(version) for text in row["contexts"])


class Counting(Bags):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts) -> np.ndarray:
        self.texts += texts
        return super().embed(texts)


def test_a_question_is_embedded_once(shop):
    counting = Counting()
    remembering = Remembering(shop.lake, counting)
    texts = ["one two", "three", "one two"]
    assert np.array_equal(remembering.embed(texts), Bags().embed(texts)) and counting.texts == ["one two", "three"]
    assert np.array_equal(remembering.embed(["four", "three"]), Bags().embed(["four", "three"]))
    assert counting.texts == ["one two", "three", "four"] and remembering.fingerprint == "bags"


def test_the_products_embedder_tells_a_paraphrase_from_another_thing():
    embedder = Embedder.open(Embeddings())
    asked = [
        Question("q1", "Who is the pier warden of Holm Pier?", ("Wenna Tarbet",), ("d",), True, "d"),
        Question("q2", "How long is Holm Pier?", ("164 metres",), ("d",), True, "d"),
    ]
    taught = [
        Taught("What is the name of Holm Pier's pier warden?", "Wenna Tarbet"),
        Taught("How long is Short Pier?", "164 metres"),
        Taught("Who is the chief engineer of Ardent?", "Wenna Tarbet"),
    ]
    assert alike(taught, asked, embedder, Decontamination().similarity) == {0: "q1"}


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf])
def test_vectors_that_compare_with_nothing_are_refused(shop, value):
    class Broken(Bags):
        def embed(self, texts) -> np.ndarray:
            vectors = super().embed(texts)
            vectors[0] = value
            return vectors

    training = SimpleNamespace(table=lambda columns: pa.Table.from_pylist([CLEAN]).select(columns))
    with pytest.raises(QuestionsError, match="1 of 1 questions have a vector that is not of unit length"):
        contaminated(shop.eval_questions(), training, Broken(), Decontamination())
