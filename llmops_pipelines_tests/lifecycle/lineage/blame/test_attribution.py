"""Shapley values on games whose answer is known, and intervals that hold zero when there is nothing."""

import random

import pytest

from llmops_pipelines.lifecycle.lineage.blame.attribution import Bootstrap, added, alone, needed, shares, total


def played(players: list[str], value, **options) -> dict[str, float]:
    """Shares in a game where `value` says what a coalition is worth, the same on each of ten questions."""
    terms = shares(players, **options)
    scores = {each: {f"q{n}": value(each) for n in range(10)} for each in needed([*terms.values(), total(players)])}
    bootstrap = Bootstrap(scores)
    return {player: bootstrap.estimate(terms[player]).mean for player in players}


def test_parts_that_do_not_interact_get_what_they_do_alone():
    effects = {"documents": -0.3, "chunker": 0.0, "prompt": 0.1}
    found = played(list(effects), lambda coalition: 0.6 + sum(effects[each] for each in coalition))
    assert found == pytest.approx(effects)


def test_two_parts_that_only_hurt_together_share_it_evenly():
    found = played(["prompt", "base", "judge"], lambda coalition: 0.2 if {"prompt", "base"} <= coalition else 0.8)
    assert found == pytest.approx({"prompt": -0.3, "base": -0.3, "judge": 0.0})


@pytest.mark.parametrize("count", [4, 6, 9])
def test_shares_add_up_to_the_total_also_when_orders_are_drawn(count):
    players, draws = [f"p{n}" for n in range(count)], random.Random(1)
    worth: dict[frozenset, float] = {}
    found = played(players, lambda coalition: worth.setdefault(coalition, draws.random()))
    assert sum(found.values()) == pytest.approx(worth[frozenset(players)] - worth[frozenset()])


def test_many_players_do_not_mean_many_coalitions():
    assert len(needed(shares([f"p{n}" for n in range(4)]).values())) == 16
    assert len(needed(shares([f"p{n}" for n in range(9)]).values())) <= 12 * 9


def test_the_same_seed_draws_the_same_orders():
    players = [f"p{n}" for n in range(6)]
    assert shares(players, seed=3) == shares(players, seed=3) != shares(players, seed=4)


def test_an_effect_on_every_question_is_no_noise_and_chance_is():
    draws = random.Random(2)
    good = {f"q{n}": draws.random() for n in range(200)}
    worse = {name: score - 0.2 for name, score in good.items()}
    shuffled = dict(zip(good, random.Random(3).sample(list(good.values()), len(good)), strict=True))
    none, documents = frozenset(), frozenset(["documents"])
    fall = Bootstrap({none: good, documents: worse}).estimate(alone("documents"))
    assert (fall.mean, fall.low, fall.high) == pytest.approx((-0.2, -0.2, -0.2)) and not fall.is_noise
    assert Bootstrap({none: good, documents: shuffled}).estimate(alone("documents")).is_noise


def test_a_question_that_one_side_does_not_have_counts_only_on_the_other():
    none, bad = frozenset(), frozenset(["eval set"])
    found = Bootstrap({none: {"q1": 1.0, "q2": 0.5}, bad: {"q2": 0.5, "q3": 0.0}})
    assert (found.mean(none), found.mean(bad)) == (0.75, 0.25)


def test_sums_of_shares_have_an_interval_of_their_own():
    """Two effects that cancel question by question are certainly zero together, however uncertain each is."""
    draws = random.Random(4)
    noise = {f"q{n}": draws.gauss(0, 1) for n in range(50)}
    values = {
        frozenset(): dict.fromkeys(noise, 0.0),
        frozenset("a"): noise,
        frozenset("b"): {name: -each for name, each in noise.items()},
        frozenset("ab"): dict.fromkeys(noise, 0.0),
    }
    terms, bootstrap = shares(["a", "b"]), Bootstrap(values)
    assert bootstrap.estimate(terms["a"]).low < -0.1 < 0.1 < bootstrap.estimate(terms["a"]).high
    both = bootstrap.estimate(added(terms.values()))
    assert (both.low, both.high) == pytest.approx((0, 0))
