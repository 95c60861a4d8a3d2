"""Gates are written positively: what was not measured is inconclusive, never zero and never a pass. Each rule can fail."""

from dataclasses import dataclass, replace
from math import inf, nan

import pytest
import yaml
from pydantic import ValidationError

from llmops_pipelines.config.gate import STAGES, Gate
from llmops_pipelines.lifecycle.release.gate import Measured, decide

GATE = Gate(
    minimum={"token_f1": 0.3, "rouge_l": 0.2},
    beat_base_by=0.05,
    not_worse_than_champion_by={"token_f1": 0.1, "rouge_l": 0.2},
    slices=[{"slice": "source", "minimum": 0.2, "not_worse_than_champion_by": 0.1}],
    latency_p95_milliseconds=100,
    megabytes=10,
    cost_per_question=0.01,
)


@dataclass(frozen=True)
class Difference:
    low: float | None
    mean: float | None = 0.0
    high: float | None = 1.0
    n: int = 50
    reason: str | None = None


def row(mean: float | None, coverage: float | None = 1.0, n: int = 50) -> dict:
    return {"mean": mean, "low": 0.0, "high": 1.0, "n": n, "coverage": coverage}


def part(value: str, mean: float | None, n: int = 20, coverage: float = 1.0) -> dict:
    return {"slice": "source", "value": value, "metric": "token_f1", **row(mean, coverage, n=n)}


GOOD = Measured(
    summary={"token_f1": row(0.4), "rouge_l": row(0.3), "hit_at_5": row(0.9)},
    slices=[part("handbook", 0.5), part("notices", 0.3)],
    against_base=lambda metric, within: Difference(0.06),
    against_champion=lambda metric, within: Difference(-0.05),
    milliseconds_p95=90,
    megabytes=9.9,
    cost_per_question=0,
)


def summary(metric: str, **said) -> Measured:
    return replace(GOOD, summary={**GOOD.summary, metric: {**GOOD.summary[metric], **said}})


def champion(low: float | None, mean: float | None = 0.0, only: str = "") -> Measured:
    """The given difference in one metric, or in a slice, and a good one elsewhere."""

    def found(metric: str, within: tuple[str, str] | None) -> Difference:
        meant = not only or only in (metric, (within or ("", ""))[1])
        return Difference(low, mean) if meant else Difference(-0.05)

    return replace(GOOD, against_champion=found)


def test_a_good_candidate_is_promoted_with_a_sentence_per_rule():
    verdict = decide(GATE, GOOD)
    assert verdict.outcome == "promote"
    assert verdict.reasons[0] == "pass: token_f1 of the candidate is at least 0.3 (measured 0.400)"
    assert len(verdict.reasons) == len(set(verdict.reasons)) == 15


FAILING = {
    "floor": summary("token_f1", mean=0.29),
    "floor of a second metric": summary("rouge_l", mean=0.19),
    "coverage": summary("token_f1", coverage=0.97),
    "coverage of a second metric": summary("rouge_l", coverage=0.97),
    "base": replace(GOOD, against_base=lambda metric, within: Difference(0.05)),
    "retrieval": summary("hit_at_5", mean=0.49),
    "champion": champion(-0.11, only="token_f1"),
    "champion in a second metric": champion(-0.21, only="rouge_l"),
    "floor of a slice": replace(GOOD, slices=[part("handbook", 0.5), part("notices", 0.19)]),
    "champion in a slice": champion(-0.3, mean=-0.11, only="notices"),
    "latency": replace(GOOD, milliseconds_p95=101),
    "size": replace(GOOD, megabytes=10.1),
    "cost": replace(GOOD, cost_per_question=0.011),
}


@pytest.mark.parametrize("which", FAILING)
def test_each_rule_can_reject(which):
    verdict = decide(GATE, FAILING[which])
    assert verdict.outcome == "reject"
    assert [reason for reason in verdict.reasons if reason.startswith("fail: ")] != []


UNMEASURED = {
    "floor": summary("token_f1", mean=None),
    "second metric": replace(GOOD, summary={"token_f1": row(0.4), "hit_at_5": row(0.9)}),
    "coverage": summary("token_f1", coverage=None),
    "base": replace(GOOD, against_base=lambda metric, within: Difference(None, reason="its scores are gone")),
    "retrieval": summary("hit_at_5", mean=nan),
    "champion": champion(None, None),
    "champion of endless spread": replace(GOOD, against_champion=lambda metric, within: Difference(nan, nan, inf)),
    "slices": replace(GOOD, slices=[]),
    "latency": replace(GOOD, milliseconds_p95=None),
    "size": replace(GOOD, megabytes=None),
    "cost": replace(GOOD, cost_per_question=inf),
}


@pytest.mark.parametrize("which", UNMEASURED)
def test_what_was_not_measured_is_inconclusive_and_never_a_pass(which):
    verdict = decide(GATE, UNMEASURED[which])
    assert verdict.outcome == "inconclusive"
    assert "nothing" in " ".join(reason for reason in verdict.reasons if reason.startswith("inconclusive: "))


@pytest.mark.parametrize("nothing", [nan, inf, -inf, None, "0.9", True])
def test_only_finite_numbers_are_measurements(nothing):
    assert decide(GATE, summary("token_f1", mean=nothing)).outcome == "inconclusive"


def test_an_empty_report_is_inconclusive():
    assert decide(GATE, Measured({})).outcome == "inconclusive"


def test_a_failure_outweighs_what_is_unknown():
    assert decide(GATE, replace(FAILING["latency"], megabytes=None)).outcome == "reject"


def test_why_nothing_was_compared_is_part_of_the_sentence():
    reasons = decide(GATE, UNMEASURED["base"]).reasons
    assert "inconclusive: it beats its base by more than 0.05 in token_f1 (measured nothing: its scores are gone)" in reasons


def test_rules_that_do_not_apply_are_not_asked():
    """No base to beat, no champion to defend, no retrieval: no finding about them, instead of one that can never pass."""
    alone = replace(GOOD, against_base=None, against_champion=None, retrieves=False)
    asked = " ".join(decide(GATE, alone).reasons)
    assert decide(GATE, alone).outcome == "promote"
    assert not any(word in asked for word in ("base", "champion", "hit@5"))


def test_a_small_slice_is_noise_unless_the_rule_names_it():
    tiny = replace(GOOD, slices=[part("handbook", 0.5), part("notices", 0.0, n=4)])
    assert decide(GATE, tiny).outcome == "promote"
    named = Gate(minimum=0.3, slices=[{"slice": "source", "value": "notices", "minimum": 0.2}])
    assert decide(named, tiny).outcome == "inconclusive"
    assert decide(named, replace(tiny, slices=[part("notices", 0.0, n=5)])).outcome == "reject"


def test_the_gate_in_the_documentation_is_one(project):
    example = (project / "docs" / "releases.md").read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    gate = Gate(**yaml.safe_load(example)["gate"])
    assert (gate.candidate, gate.path, gate.at("production").approval) == ("chosen", STAGES, "manual")
    assert {word for word in Gate.model_fields if f"{word}:" not in example} == set()


def test_one_number_is_meant_for_the_deciding_metric():
    gate = Gate(metric="rouge_l", minimum=0.2)
    assert (gate.floors, gate.margins) == ({"rouge_l": 0.2}, {"rouge_l": 0.1})
    assert Gate(minimum={"metric": 0.2, "bleu": 0.1}).floors == {"token_f1": 0.2, "bleu": 0.1}


def test_a_stage_asks_for_what_it_says_and_inherits_the_rest():
    gate = Gate(
        minimum=0.3, coverage=0.9, enters="dev", stages={"production": {"minimum": {"bleu": 0.5}, "approval": "manual"}}
    )
    assert (gate.at("dev").floors, gate.at("dev").approval) == ({"token_f1": 0.3}, "automatic")
    production = gate.at("production")
    assert (production.floors, production.approval, production.coverage) == ({"bleu": 0.5}, "manual", 0.9)
    assert gate.path == ("dev", "staging", "production")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"minimum": "big"}, "a number, or a number per metric"),
        ({"minimum": {"token_f2": 0.1}}, "'token_f1'"),
        ({"minimum": nan}, "less than or equal to 1"),
        ({"minimum": 0.1, "megabytes": nan}, "finite number"),
        ({"minimum": 0.1, "stages": {"dev": {}}}, "nothing enters dev"),
        ({"minimum": 0.1, "slices": [{"slice": "source"}]}, "minimum or not_worse_than_champion_by"),
    ],
)
def test_wrong_words_are_refused(said, expected):
    with pytest.raises(ValidationError, match=expected):
        Gate(**said)


@pytest.mark.parametrize(("mean", "n", "coverage"), [(None, 0, 0.0), (0.9, 6, 0.06), (0.9, 90, 0.9)])
def test_a_slice_that_was_hardly_scored_is_not_passed_over_as_small(mean, n, coverage):
    """A source of 100 questions where the metric failed has few scores, too, but is no small slice."""
    verdict = decide(GATE, replace(GOOD, slices=[part("handbook", 0.5), part("notices", mean, n, coverage)]))
    assert verdict.outcome == "inconclusive"
    (reason,) = [each for each in verdict.reasons if each.startswith("inconclusive")]
    assert f"token_f1 of source notices was scored for 98% (measured {coverage:.0%})" in reason
