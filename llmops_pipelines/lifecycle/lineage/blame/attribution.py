"""Shares of a change by Shapley values (Shapley 1953), and their intervals by the bootstrap over questions.

A player is a part that differs between two products; a coalition is the set of players that stand as in the bad one. Pure
arithmetic: what a coalition scores is measured elsewhere.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

RESAMPLES, FEWEST = 4_000, 400
AT_ONCE = 16_000_000  # drawn numbers in memory: fewer draws where there are very many questions
SEED = 20_240_229
EXACT = 4  # players up to which every coalition is measured: 16
ORDERS = 12  # orders in which more players are swapped, half of them the reverse of the others

Coalition = frozenset[str]
Scores = Mapping[str, float]  # question -> score
Terms = Mapping[Coalition, float]  # a sum of values, each with its factor


@dataclass(frozen=True)
class Estimate:
    """A difference in the mean score with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds zero."""
        return self.low <= 0 <= self.high


def shares(players: Sequence[str], seed: int = 0, exact: int = EXACT) -> dict[str, Terms]:
    """For each player the terms of its Shapley value: exact for few players, else the mean over `ORDERS` seeded orders.

    Whatever the orders, the shares of all players add up to the value of all minus the value of none.
    """
    return _exact(players) if len(players) <= exact else _sampled(players, seed)


def needed(terms: Iterable[Terms]) -> list[Coalition]:
    """The coalitions that have to be measured, small ones first."""
    found = {coalition for each in terms for coalition, factor in each.items() if factor}
    return sorted(found, key=lambda coalition: (len(coalition), sorted(coalition)))


def alone(player: str) -> Terms:
    """What swapping one part, and nothing else, does."""
    return {frozenset([player]): 1.0, frozenset(): -1.0}


def total(players: Iterable[str]) -> Terms:
    return added([{frozenset(players): 1.0}, {frozenset(): -1.0}])


def added(terms: Iterable[Terms], factor: float = 1.0) -> dict[Coalition, float]:
    """The sum of several sums, times a factor."""
    found: dict[Coalition, float] = {}
    for each in terms:
        for coalition, weight in each.items():
            found[coalition] = found.get(coalition, 0.0) + factor * weight
    return found


def _exact(players: Sequence[str]) -> dict[str, Terms]:
    count = len(players)
    found: dict[str, Terms] = {}
    for player in players:
        others = [each for each in players if each != player]
        terms: dict[Coalition, float] = {}
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for chosen in combinations(others, size):
                terms[frozenset([*chosen, player])] = weight
                terms[frozenset(chosen)] = -weight
        found[player] = terms
    return found


def _sampled(players: Sequence[str], seed: int) -> dict[str, Terms]:
    """Each order with its reverse (Castro et al. 2009; antithetic after Mitchell et al. 2022)."""
    draws, orders = random.Random(seed), []
    for _ in range(ORDERS // 2):
        order = list(players)
        draws.shuffle(order)
        orders += [order, order[::-1]]
    terms: dict[str, dict[Coalition, float]] = {player: {} for player in players}
    for order in orders:
        for place, player in enumerate(order):
            before, after = frozenset(order[:place]), frozenset(order[: place + 1])
            terms[player][after] = terms[player].get(after, 0.0) + 1 / len(orders)
            terms[player][before] = terms[player].get(before, 0.0) - 1 / len(orders)
    return dict(terms)


class Bootstrap:
    """Means of many coalitions, and of the same coalitions on questions drawn with replacement, all on the same draws.

    Coalitions may be measured on other questions (another evaluation set): a question that has no score counts nowhere.
    """

    def __init__(self, values: Mapping[Coalition, Scores], seed: int = SEED) -> None:
        import numpy as np

        self.names = sorted({name for scores in values.values() for name in scores})
        place = {name: row for row, name in enumerate(self.names)}
        size = max(1, len(self.names))
        draws = max(FEWEST, min(RESAMPLES, AT_ONCE // size))
        counts = np.random.default_rng(seed).multinomial(
            len(self.names), np.full(size, 1 / size)[: len(self.names)], size=draws
        )
        weights = np.vstack([np.ones(len(self.names)), counts])  # the first draw is every question once
        self._drawn: dict[Coalition, np.ndarray] = {}
        for coalition, scores in values.items():
            held, sums = np.zeros(len(self.names)), np.zeros(len(self.names))
            for name, score in scores.items():
                held[place[name]], sums[place[name]] = 1.0, score
            self._drawn[coalition] = (weights @ sums) / np.maximum(weights @ held, 1e-12)

    def mean(self, coalition: Coalition) -> float:
        return float(self._drawn[coalition][0])

    def estimate(self, terms: Terms) -> Estimate:
        """Of a sum of values, each with its factor."""
        import numpy as np

        found = sum(factor * self._drawn[coalition] for coalition, factor in terms.items())
        drawn = np.atleast_1d(found)
        low, high = np.quantile(drawn[1:], [0.025, 0.975]) if drawn.size > 1 else (drawn[0], drawn[0])
        mean = float(drawn[0])
        return Estimate(mean, min(mean, float(low)), max(mean, float(high)))
