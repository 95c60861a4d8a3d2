"""Since when did it get worse: histories whose answer is known."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from llmops_pipelines.lifecycle.evaluation.statistics import paired_difference
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lineage.bisect import Bisect, BisectError, bisect
from llmops_pipelines.lifecycle.lineage.bisect_page import page
from llmops_pipelines.lifecycle.release.history import History, Release
from llmops_pipelines_tests.lifecycle.release.world import scored

CALM = [Random(7).random() for _ in range(60)]  # how well each question is answered when all is well


@dataclass
class Past:
    """A lake and a history to put releases into."""

    lake: Lake
    history: History

    def release(self, scores: Version | None) -> int:
        epochs, live = self.history.epochs(), self.history.live()
        parts = {} if scores is None else {"eval_scores": {"fingerprint": scores.fingerprint, "digest": scores.digest}}
        parts = {role: each | {"asset": scores.asset} for role, each in parts.items()}
        record = Release(
            max(epochs, default=0) + 1, "shop", parts, {}, {}, stage="production", replaces=live.epoch if live else 0
        )
        epoch = self.history.append(record).epoch
        self.history.end(epoch, "committed")
        return epoch

    def says(self, values: Sequence[float]) -> Version:
        return scored(self.lake, "tuned", list(values))

    def search(self, *between: int, **options) -> Bisect:
        return bisect(self.lake, self.history, *between, **options)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(Lake(tmp_path / "lake", "shop"), History(tmp_path / "releases"))


def shaken(seed: int, by: float = 0.0) -> list[float]:
    """As in calm times with a little noise, and worse by so much."""
    draws = Random(seed)
    return [score - by + draws.gauss(0, 0.03) for score in CALM]


def filled(past: Past, count: int, values: Callable[[int], list[float]]) -> None:
    for number in range(1, count + 1):
        past.release(past.says(values(number)))


def test_the_first_release_that_fell_is_named_and_what_to_ask_next(past):
    filled(past, 20, lambda number: shaken(number, 0.2 if number >= 13 else 0.0))
    found = past.search()
    assert (found.verdict, found.first, found.before) == ("fell", 13, 12)
    assert "token_f1 fell with release 13: -0.2" in found.sentence and found.found_fall
    assert len(found.looks) <= 6  # of 19 that could be compared
    assert len(found.means) == 20 and found.means[0] == pytest.approx(sum(shaken(1)) / 60)
    commands = [command for _, command in page(found, "shop").next]
    assert commands == ["llmops diff shop 12 13", "llmops blame shop 12 13"]


@pytest.mark.parametrize("first", [2, 3, 8])
def test_wherever_it_fell(past, first):
    filled(past, 8, lambda number: shaken(number, 0.3 if number >= first else 0.0))
    assert past.search().first == first


def test_noise_is_no_fall(past):
    filled(past, 10, shaken)
    found = past.search()
    assert (found.verdict, found.first, found.found_fall) == ("none", 0, False)
    assert "did not fall beyond noise" in found.sentence and page(found, "shop").next == []


def test_what_fell_a_little_each_time_fell_gradually(past):
    draws = Random(3)
    steps = [[draws.gauss(0, 0.2) for _ in CALM] for _ in range(9)]
    filled(past, 9, lambda number: [score - 0.03 * number + each for score, each in zip(CALM, steps[number - 1], strict=True)])
    found = past.search()
    assert found.verdict == "gradual" and found.found_fall
    assert "fell gradually" in found.sentence and found.step.high > 0


def test_a_fall_that_was_mended_is_told_as_recovered(past):
    filled(past, 9, lambda number: shaken(number, 0.3 if number in (4, 5) else 0.0))
    found = past.search()
    assert (found.verdict, found.first) == ("recovered", 4) and not found.found_fall
    assert "it has recovered since" in found.sentence


def test_another_evaluation_set_ends_the_search_and_says_where_to_go_on(past):
    filled(past, 4, shaken)
    for number in range(5, 8):
        past.release(scored_on_other_questions(past, shaken(number, 0.3)))
    found = past.search()
    assert (found.verdict, found.first, found.before) == ("incomparable", 5, 4)
    assert "from release 5 on scores cannot be compared with release 1" in found.sentence
    assert [command for _, command in page(found, "shop").next] == ["llmops bisect shop 5 7"]


def test_a_fall_before_the_evaluation_set_changed_is_found(past):
    filled(past, 6, lambda number: shaken(number, 0.3 if number >= 4 else 0.0))
    past.release(scored_on_other_questions(past, shaken(9)))
    assert (past.search().verdict, past.search().first) == ("fell", 4)


def scored_on_other_questions(past: Past, values: list[float]) -> Version:
    old = past.says(values)

    def write(draft) -> None:
        for name in ("eval_scores", "members"):
            draft.table(name, old.table(name))
        for name in ("summary", "measures"):
            draft.json(name, old.json(name))
        draft.json("asked", {key: f"{key} in other words" for key in old.json("asked")})

    return past.lake.once("eval_scores/tuned", code="2", config=values, parents=[], write=write)


def test_releases_whose_scores_are_gone_are_passed_over(past):
    filled(past, 9, lambda number: shaken(number, 0.3 if number >= 6 else 0.0))
    for epoch in (5, 6):
        version = past.history.record(epoch).parts["eval_scores"]["fingerprint"]
        shutil.rmtree(past.lake.read("eval_scores/tuned", version).path)
    past.lake = Lake(past.lake.root, "shop")
    assert (past.search().first, past.search().before) == (7, 4)


def test_only_releases_between_the_two_are_searched(past):
    filled(past, 9, lambda number: shaken(number, 0.3 if number >= 3 else 0.0))
    assert past.search(4, 9).verdict == "none"
    assert past.search(1, 5).first == 3


def test_what_was_never_live_cannot_be_searched(past):
    filled(past, 3, shaken)
    with pytest.raises(BisectError, match="release 7 was never live in production; the newest that were: 1, 2, 3"):
        past.search(1, 7)
    with pytest.raises(BisectError, match="from release 3 to 3 there are 1 releases"):
        past.search(3)


def test_a_metric_that_nobody_measured_cannot_be_compared(past):
    filled(past, 3, shaken)
    with pytest.raises(BisectError, match="faithfulness was not measured"):
        past.search(metric="faithfulness")


def test_many_questions_are_compared_without_drawing_and_with_the_same_result(past):
    draws = Random(5)
    good, bad = ([draws.random() - by for _ in range(150)] for by in (0.0, 0.1))
    for values in (good, bad):
        past.release(past.says(values))
    (look,) = past.search().looks
    drawn = paired_difference(bad, good)
    assert (look.mean, look.low, look.high) == pytest.approx((drawn.mean, drawn.low, drawn.high), abs=0.004)
