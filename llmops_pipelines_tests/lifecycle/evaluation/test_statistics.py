import math

import numpy as np
import pytest

from llmops_pipelines.lifecycle.evaluation import statistics
from llmops_pipelines.lifecycle.evaluation.statistics import detectable, interval, paired_difference, ratio

RANDOM = np.random.default_rng(7)


def test_the_interval_of_many_scores_is_that_of_the_normal_distribution():
    scores = RANDOM.normal(0.6, 0.2, 400)
    found = interval(scores)
    half = 1.96 * scores.std() / math.sqrt(400)
    assert found.mean == pytest.approx(scores.mean()) and found.n == 400
    assert found.low == pytest.approx(scores.mean() - half, abs=0.001)
    assert found.high == pytest.approx(scores.mean() + half, abs=0.001)


def test_nineteen_of_twenty_intervals_hold_the_true_mean(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)
    found = [interval(RANDOM.random(60)) for _ in range(400)]
    share = sum(each.low <= 0.5 <= each.high for each in found) / 400
    assert 0.91 < share < 0.98
    wrong = sum(each.low <= 0.6 <= each.high for each in found) / 400  # the control: a wrong mean is outside of most
    assert wrong < 0.5


def test_scores_without_spread_have_no_interval():
    assert vars(interval([0.5] * 10)) == {"mean": 0.5, "low": 0.5, "high": 0.5, "n": 10}


def test_pairing_finds_a_small_steady_gain_that_unpaired_scores_hide():
    base = RANDOM.random(100)
    tuned = base + 0.02 + RANDOM.normal(0, 0.01, 100)
    assert paired_difference(tuned, base).low > 0.01
    shuffled = RANDOM.permutation(base)
    assert paired_difference(tuned, shuffled).low < 0  # the control: the same numbers, pairs broken
    assert interval(tuned).low < interval(base).high


def test_the_same_scores_give_the_same_interval_in_blocks_of_any_size(monkeypatch):
    scores = list(RANDOM.random(50))
    whole = interval(scores)
    statistics._drawn.cache_clear()
    monkeypatch.setattr(statistics, "AT_ONCE", 5000)
    assert interval(scores) == whole


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="1 of 3 scores are not finite"):
        interval([0.5, bad, 0.7])
    with pytest.raises(ValueError, match="not finite"):
        paired_difference([0.5, bad], [0.5, bad])


def test_nothing_to_measure_is_refused():
    with pytest.raises(ValueError, match="no scores"):
        interval([])
    with pytest.raises(ValueError, match="the same questions: 2 scores against 1"):
        paired_difference([1.0, 0.0], [1.0])


def test_many_scores_need_no_bootstrap_and_have_the_same_interval(monkeypatch):
    scores = list(RANDOM.random(900))
    drawn = interval(scores)
    monkeypatch.setattr(statistics, "MANY", 500)
    computed = interval(scores)
    assert (computed.low, computed.high) == (pytest.approx(drawn.low, abs=1e-3), pytest.approx(drawn.high, abs=1e-3))


def test_a_ratio_by_hand():
    found = ratio([1, 0, 0, 1], [1, 1, 0, 1])
    assert (found.mean, found.n) == (pytest.approx(2 / 3), 3)
    assert found.low < 2 / 3 < found.high
    assert ratio([0, 0], [0, 0]) is None and ratio([], []) is None


def test_the_interval_of_a_precision_is_that_of_its_own_rows():
    right, chosen = list(RANDOM.integers(0, 2, 200)), [1] * 200
    whole, plain = ratio(right, chosen), interval(right)
    assert (whole.low, whole.high) == (plain.low, plain.high)


def test_ratios_of_many_rows_need_no_bootstrap_either(monkeypatch):
    wholes = [float(n % 3 > 0) for n in range(900)]
    parts = [whole * float(chance < 0.7) for whole, chance in zip(wholes, RANDOM.random(900), strict=True)]
    drawn = ratio(parts, wholes)
    monkeypatch.setattr(statistics, "MANY", 500)
    computed = ratio(parts, wholes)
    assert (computed.mean, computed.n) == (drawn.mean, 600)
    assert (computed.low, computed.high) == (pytest.approx(drawn.low, abs=3e-3), pytest.approx(drawn.high, abs=3e-3))


def test_the_detectable_difference_is_found_in_four_of_five_experiments(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)
    least = detectable(list(RANDOM.normal(0, 0.3, 80)))
    experiments = [interval(RANDOM.normal(least, 0.3, 80)) for _ in range(300)]
    assert 0.7 < sum(each.low > 0 for each in experiments) / 300 < 0.9
    weaker = [interval(RANDOM.normal(least / 2, 0.3, 80)) for _ in range(300)]
    assert sum(each.low > 0 for each in weaker) / 300 < 0.5  # the control: half of it is mostly missed
    assert detectable([0.5]) is None
