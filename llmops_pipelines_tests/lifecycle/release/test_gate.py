"""Gates are written positively: what was not measured is inconclusive, never zero and never a pass."""

from copy import deepcopy
from math import inf, nan

import pytest

from llmops_pipelines.config.pipeline import Gate
from llmops_pipelines.lifecycle.release import decide

GATE = Gate(metric="token_f1", minimum=0.3, beat_base_by=0.05, minimum_hit_at_5=0.5, not_worse_than_champion_by=0.1)
GOOD = {
    "fine_tuned": {"token_f1": {"mean": 0.4, "coverage": 1.0}},
    "difference": {"token_f1": {"low": 0.06}},
    "retrieval": {"hit_at_5": {"mean": 0.9}},
}


def changed(*path_and_value):
    *path, last, value = path_and_value
    scores = deepcopy(GOOD)
    place = scores
    for part in path:
        place = place[part]
    place[last] = value
    return scores


def test_a_good_candidate_passes_with_a_reason_per_requirement():
    verdict = decide(GATE, GOOD, None, champion_exists=False)
    assert verdict.outcome == "pass"
    assert verdict.reasons[0] == "pass: token_f1 of the candidate is at least 0.3 (measured 0.400)"
    assert len(verdict.reasons) == 4


@pytest.mark.parametrize(
    "scores",
    [
        changed("fine_tuned", "token_f1", "mean", 0.29),
        changed("fine_tuned", "token_f1", "coverage", 0.97),
        changed("difference", "token_f1", "low", 0.05),
        changed("retrieval", "hit_at_5", "mean", 0.49),
    ],
)
def test_each_requirement_can_fail(scores):
    assert decide(GATE, scores, None, champion_exists=False).outcome == "fail"


@pytest.mark.parametrize("nothing", [nan, inf, None, "0.9"])
def test_what_was_not_measured_never_passes(nothing):
    verdict = decide(GATE, changed("fine_tuned", "token_f1", "mean", nothing), None, champion_exists=False)
    assert verdict.outcome == "inconclusive"
    assert "(measured nothing)" in verdict.reasons[0]


def test_an_empty_report_is_inconclusive():
    assert decide(GATE, {}, None, champion_exists=False).outcome == "inconclusive"


@pytest.mark.parametrize(
    ("against", "outcome"),
    [((-0.05, 0.1), "pass"), ((-0.11, 0.1), "fail"), (None, "inconclusive"), ((nan, nan), "inconclusive")],
)
def test_a_champion_must_not_be_replaced_by_something_worse(against, outcome):
    assert decide(GATE, GOOD, against, champion_exists=True).outcome == outcome


def test_a_failure_outweighs_what_is_unknown():
    scores = changed("retrieval", "hit_at_5", "mean", 0.1) | {"difference": {}}
    assert decide(GATE, scores, None, champion_exists=False).outcome == "fail"
