"""Unsound vectors are found, each for its reason, and sound ones are left alone."""

import numpy as np
import pytest

from llmops_pipelines.lifecycle.index import IndexingError
from llmops_pipelines.lifecycle.index.embedders.soundness import faults, refuse_faults


def unit(count: int, dimension: int = 384) -> np.ndarray:
    vectors = np.random.default_rng(1).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (np.nan, "not a number"),
        (np.inf, "not a number"),
        (0.0, "all components equal"),
        (384**-0.5, "all components equal"),
        (3e38, "all components equal"),
    ],
)
def test_a_row_of_one_number_is_found(wrong: float, reason: str) -> None:
    vectors = unit(1_000)
    vectors[7] = wrong
    assert faults(vectors, 384) == {7: reason}


def test_one_wrong_component_is_enough() -> None:
    vectors = unit(1_000)
    vectors[3, 200], vectors[4, 0], vectors[5] = np.nan, 1.1, vectors[5] * 1.01
    assert list(faults(vectors, 384)) == [3, 4, 5]


def test_equal_first_and_last_components_are_no_fault() -> None:
    vectors = unit(10)
    vectors[2] = [0.5, -0.5, *[0.0] * 380, -0.5, 0.5]
    assert faults(vectors, 384) == {}


def test_a_shape_or_type_of_another_kind_is_all_wrong() -> None:
    assert len(faults(unit(4, 100), 384)) == len(faults(unit(4).astype(np.float64), 384)) == 4
    with pytest.raises(IndexingError, match="2 vectors were made for 3 texts, first a"):
        refuse_faults(unit(2), 384, ["a", "b", "c"])
