"""How many steps a run has, and what ends it first."""

import pytest

from llmops_pipelines.lifecycle.training import budget

NONE = {"steps": None, "tokens": None, "minutes": None}


def words(**changes):
    plain = {"ranks": 2, "nodes": 1, "batch_size": 4, "accumulate": 1, "epochs": 1.0}
    return {**plain, **changes, "budget": NONE | changes.get("budget", {})}


@pytest.mark.parametrize(
    ("changes", "rows", "steps"),
    [
        ({}, 80, 10),
        ({}, 81, 11),  # 21 batches of 4: the ranks take turns, the last one is filled up
        ({"epochs": 2.5}, 80, 25),
        ({"accumulate": 4}, 80, 3),
        ({"ranks": 1, "nodes": 2}, 80, 10),
        ({}, 1, 1),
    ],
)
def test_steps_are_counted_as_the_trainer_counts_them(changes, rows, steps):
    assert budget.length(words(**changes), rows, tokens=1000).steps == steps


def test_the_smallest_limit_ends_the_run():
    def ends(**limits):
        found = budget.length(words(budget=limits), rows=80, tokens=1000)
        return found.steps, found.limit

    assert ends() == (10, "epochs")
    assert ends(steps=7) == (7, "steps") and ends(steps=70) == (10, "epochs")
    assert ends(tokens=250) == (3, "tokens") and ends(tokens=250, steps=2) == (2, "steps")
    assert ends(tokens=1) == (1, "tokens")


def test_tokens_and_minutes_are_noticed_when_they_are_used_up():
    assert budget.reached(NONE | {"tokens": 10}, tokens=10, seconds=0) == "tokens"
    assert budget.reached(NONE | {"tokens": 10, "minutes": 2}, tokens=9, seconds=120) == "minutes"
    assert budget.reached(NONE | {"tokens": 10, "minutes": 2}, tokens=9, seconds=119.9) is None
    assert budget.reached(NONE, tokens=10**9, seconds=1e9) is None
