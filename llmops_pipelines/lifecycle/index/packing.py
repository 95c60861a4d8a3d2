"""Packing: consecutive pieces together up to a budget, cut where it is best to cut.

After an edit the cuts fall back into step, so that few passages change. Knows neither texts nor tokenizers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .splitting import SENTENCE


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


def pack(row: Sequence[Piece], rule: Rule, refine: Callable[[Piece], list[Piece]]) -> list[list[Piece]]:
    """Pieces of each passage. `refine` cuts a piece into smaller ones; one that it leaves whole is taken as it is."""
    waiting = list(row)[::-1]
    packed: list[list[Piece]] = []
    window: list[Piece] = []
    total = 0
    while waiting:
        piece = waiting[-1]
        room = rule.budget - (window[0] if window else piece).lead_cost
        if total + piece.cost <= room:
            window.append(waiting.pop())
            total += piece.cost
            continue
        cut, strength = _best_cut(window, total, rule)
        if piece.cost + piece.lead_cost > rule.budget or (piece.kind in rule.broken and strength < rule.enough):
            parts = refine(piece)
            if len(parts) > 1 or parts[0].kind != piece.kind:
                waiting[-1:] = parts[::-1]
                continue
            if not window:
                window, cut = [waiting.pop()], 1
        packed.append(window[:cut])
        window = window[cut:]
        total = _cost(window)
    if window:
        packed.append(window)
    if len(packed) > 1 and _cost(packed[-1]) < rule.budget // 3:
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


def _best_cut(window: Sequence[Piece], total: int, rule: Rule) -> tuple[int, int]:
    """Number of pieces before the best cut that leaves a passage its `least`, and its strength; all and -1 if there is none.

    Of equally strong cuts the content of the pieces picks one, not their place in the passage: when a line is added above,
    the same cut is picked again, and all that follows stays as it was.
    """
    best, sign, cut = -1, 0, len(window)
    for n in range(cut, 0, -1):
        if total < rule.least:
            break
        piece = window[n - 1]
        strength = min(piece.strength, rule.best)
        if strength >= best:
            signed = ((piece.end - piece.start) * 2654435761 ^ piece.tokens * 40503) * 2246822519 >> 7 & 0xFFFF
            if strength > best or signed < sign:
                best, sign, cut = strength, signed, n
        total -= piece.cost
    return cut, best


def _even(last: list[list[Piece]], rule: Rule, refine: Callable[[Piece], list[Piece]]) -> list[list[Piece]]:
    """Cut the last two passages anew: a tail of three words finds nobody."""
    pieces = [*last[0], *last[1]]
    parts = halves(pieces)
    if min(map(_cost, parts)) < rule.budget // 3:
        parts = halves([part for piece in pieces for part in (refine(piece) if piece.kind in rule.broken else [piece])])
    return list(parts) if all(_cost(part) + part[0].lead_cost <= rule.budget for part in parts) else last


def _cost(pieces: Sequence[Piece]) -> int:
    return sum(piece.cost for piece in pieces)
