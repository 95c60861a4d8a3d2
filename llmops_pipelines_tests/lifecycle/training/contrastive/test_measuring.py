"""Ranks and intervals on numbers whose answer is known."""

import numpy as np
import pytest

from llmops_pipelines.lifecycle.training.contrastive.measuring import compared, ranks, reciprocal


def test_rank_is_the_place_of_the_right_passage_and_a_tie_counts_against_it():
    passages = np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32)
    asked = np.array([[1, 0], [0.6, 0.8], [1, 0]], dtype=np.float32)
    assert ranks(asked, passages, np.array([0, 1, 1])).tolist() == [1, 2, 3]


def test_beyond_the_tenth_place_nothing_counts():
    assert reciprocal(np.array([1, 2, 10, 11])).tolist() == [1, 0.5, 0.1, 0]


def test_a_gain_on_every_passage_excludes_zero_and_a_gain_on_one_does_not():
    right = np.repeat(np.arange(40), 5)
    before = np.full(200, 2)
    everywhere = compared(before, np.full(200, 1), right, 40)
    assert (everywhere.before, everywhere.after, everywhere.low, everywhere.better) == (0.5, 1, 0.5, True)
    one = compared(before, np.where(right == 0, 1, 2), right, 40)
    assert one.after > one.before and one.low == 0 and not one.better


def test_questions_on_one_passage_are_no_independent_evidence():
    before, after = np.full(200, 2), np.tile([1, 1, 3, 1], 50)
    apart = compared(before, after, np.arange(200), 200)
    together = compared(before, np.sort(after), np.repeat(np.arange(10), 20), 10)
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert (together.before, together.after) == pytest.approx((apart.before, apart.after))
