"""Group testing on worlds where it is known which changes did it."""

from collections.abc import Mapping

from llmops_pipelines.lifecycle.lineage.blame.hunting import hunt


class World:
    """`guilty` says which changes have to be reversed together before a complaint is gone."""

    def __init__(self, guilty: Mapping[str, set[str]]) -> None:
        self.guilty, self.trials = guilty, []

    def __call__(self, undone: frozenset[str]) -> set[str]:
        self.trials.append(undone)
        return {complaint for complaint, needed in self.guilty.items() if needed <= undone}


def found(guilty: Mapping[str, set[str]], suspects: Mapping[str, set[str]], budget: int = 100):
    world = World(guilty)
    return {name: case.found for name, case in hunt(suspects, world, budget).items()}, world


def test_complaints_with_one_suspect_each_take_one_trial():
    suspects = {f"q{n}": {f"d{n}"} for n in range(50)}
    answer, world = found(suspects, suspects)
    assert answer == suspects and len(world.trials) == 1


def test_one_guilty_of_sixteen_is_found_by_halving():
    answer, world = found({"q": {"d11"}}, {"q": {f"d{n}" for n in range(16)}})
    assert answer == {"q": {"d11"}}
    assert len(world.trials) <= 1 + 2 * 4


def test_changes_that_must_be_reversed_together_are_found_together():
    answer, _ = found({"q": {"d1", "d6"}}, {"q": {f"d{n}" for n in range(8)}})
    assert answer == {"q": {"d1", "d6"}}


def test_complaints_that_share_suspects_do_not_disturb_each_other():
    everything = {f"d{n}" for n in range(6)}
    guilty = {"q1": {"d0"}, "q2": {"d5"}, "q3": {"d0", "d3"}}
    answer, _ = found(guilty, dict.fromkeys(guilty, everything))
    assert answer == guilty


def test_what_the_suspects_do_not_explain_stays_open():
    answer, _ = found({"q1": {"d0"}, "q2": {"elsewhere"}}, {"q1": {"d0", "d1"}, "q2": {"d1"}})
    assert answer == {"q1": {"d0"}, "q2": None}


def test_a_complaint_without_suspects_costs_nothing():
    answer, world = found({"q": {"d0"}}, {"q": set()})
    assert answer == {"q": None} and world.trials == []


def test_when_the_budget_is_spent_what_restores_is_kept_and_said_to_be_unfinished():
    world = World({"q": {"d63"}})
    cases = hunt({"q": {f"d{n:02}" for n in range(64)}}, world, budget=3)
    assert len(world.trials) == 3
    assert "d63" in cases["q"].found and len(cases["q"].found) < 64 and not cases["q"].whole
