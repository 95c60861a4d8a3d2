"""Packing: consecutive pieces together up to a budget, cut where it is best to cut.

After an edit the cuts fall back into step, so that few passages change. Knows neither texts nor tokenizers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from .splitting import MEMBER, SENTENCE


class Piece(NamedTuple):
    """Text between two places where it may be cut, trailing white space included; `strength` is that of its end.

    `tokens` are what the model counts, `cost` is what they take of a budget; `lead` must be shown above a passage that
    starts here, and takes `lead_cost` of its budget.
    """

    start: int
    end: int
    strength: int
    kind: int
    tokens: int
    cost: int
    lead: str = ""
    lead_cost: int = 0


piece_of: Callable[[tuple], Piece] = partial(tuple.__new__, Piece)  # as Piece._make, faster


@dataclass(frozen=True)
class Rule:
    """`budget`: most cost of a passage. `least`: cost that a passage should reach, where the text allows it.

    `best`: stronger cuts are no better than such ones. `broken`: kinds that may be cut to fill a passage, unless a cut of
    strength `enough` leaves it with its `least`; the others are only cut when they do not fit into a passage of their own.
    """

    budget: int
    least: int
    best: int
    enough: int
    broken: frozenset[int]


def pack(
    row: Sequence[Piece], rule: Rule, refine: Callable[[Piece], list[Piece]], sign: Callable[[Piece], int]
) -> list[list[Piece]]:
    """Pieces of each passage. `refine` cuts a piece into smaller ones; one that it leaves whole is taken as it is. `sign` is
    a number that follows from the content of a piece, and from nothing else."""
    waiting, window = list(row)[::-1], []
    packed: list[list[Piece]] = []
    budget, total, room = rule.budget, 0, 0
    while waiting:
        piece = waiting[-1]
        if not window:
            total, room = 0, budget - piece.lead_cost
        if total + piece.cost <= room:
            window.append(waiting.pop())
            total += piece.cost
            continue
        if piece.cost > budget and window and window[-1].strength >= MEMBER:  # a long definition begins a passage of its own
            packed.append(window)
            window = []
            continue
        cut, strength, spent = _best_cut(window, total, rule, sign)
        if piece.cost + piece.lead_cost > budget or (piece.kind in rule.broken and strength < rule.enough):
            parts = refine(piece)
            if len(parts) > 1 or parts[0].kind != piece.kind:
                waiting[-1:] = parts[::-1]
                continue
            if not window:
                packed.append([waiting.pop()])
                continue
        packed.append(window[:cut])
        window, total = window[cut:], total - spent
        room = budget - window[0].lead_cost if window else budget
    if window:
        packed.append(window)
    if len(packed) > 1 and _cost(packed[-1]) < budget // 3:
        packed[-2:] = _even(packed[-2:], rule, refine)
    return packed


def halves(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Cut a row in two so that the shorter part is as long as it can be, at a sentence if there is one."""
    whole = _cost(pieces)
    before, best = 0, (False, -1, 1)
    for n, piece in enumerate(pieces[:-1], 1):
        before += piece.cost
        best = max(best, (piece.strength >= SENTENCE, min(before, whole - before), n))
    return list(pieces[: best[2]]), list(pieces[best[2] :])


def _best_cut(window: list[Piece], total: int, rule: Rule, sign: Callable[[Piece], int]) -> tuple[int, int, int]:
    """Where to cut so that a passage has its `least`: number of pieces, strength (-1 where there is no such cut), cost.

    Of equally strong cuts the content of the pieces picks one, not their place in the passage: when a line is added above,
    the same cut is picked again, and all that follows stays as it was.
    """
    strongest, least, best = -1, rule.least, rule.best
    equal = [(len(window), total)]
    for n in range(len(window), 0, -1):
        if total < least:
            break
        piece = window[n - 1]
        strength = piece.strength if piece.strength < best else best
        if strength > strongest:
            strongest, equal = strength, [(n, total)]
        elif strength == strongest:
            equal.append((n, total))
        total -= piece.cost
    cut, spent = equal[0] if len(equal) == 1 else min(equal, key=lambda place: sign(window[place[0] - 1]))
    return cut, strongest, spent


def _even(last: list[list[Piece]], rule: Rule, refine: Callable[[Piece], list[Piece]]) -> list[list[Piece]]:
    """Cut the last two passages anew: a tail of three words finds nobody."""
    pieces = [*last[0], *last[1]]
    parts = halves(pieces)
    if min(map(_cost, parts)) < rule.budget // 3:
        parts = halves([part for piece in pieces for part in (refine(piece) if piece.kind in rule.broken else [piece])])
    return list(parts) if all(_cost(part) + part[0].lead_cost <= rule.budget for part in parts) else last


def _cost(pieces: Sequence[Piece]) -> int:
    return sum(piece.cost for piece in pieces)
