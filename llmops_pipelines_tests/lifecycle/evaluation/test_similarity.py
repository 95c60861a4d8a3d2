import numpy as np
import pytest

from llmops_pipelines.lifecycle.evaluation.similarity import similarities

VECTORS = {"ship": [1.0, 0.0], "boat": [0.8, 0.6], "tax": [0.0, 1.0], "anti": [-1.0, 0.0]}


class Known:
    def embed(self, texts: list[str]) -> np.ndarray:
        return np.array([VECTORS[text] for text in texts], dtype=np.float32)


def test_the_nearest_reference_counts():
    assert similarities(Known(), ["ship", "tax"], [["boat"], ["ship", "boat"]]) == pytest.approx([0.8, 0.6])


def test_equal_texts_are_worth_one_and_opposites_nothing():
    assert similarities(Known(), ["ship", "anti"], [["ship"], ["ship"]]) == pytest.approx([1.0, 0.0])


def test_an_empty_answer_is_worth_nothing_without_asking_the_model():
    assert similarities(Known(), ["", " "], [["ship"], ["ship"]]) == [0.0, 0.0]


def test_nothing_to_compare_asks_no_model():
    assert similarities(Known(), [], []) == []
