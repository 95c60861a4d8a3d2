"""The parts in which two bundles differ, each swappable on its own, with what changed and what it only followed from.

A part that nobody touched and that is another because its parents are (a checkpoint trained anew on other documents) has
roots: its share is counted to them.
"""

from dataclasses import replace

from .bundles import Bundle, differing, told
from .origins import Origin, trained_from, tuned_from
from .parts import (
    ANSWERING,
    BASE,
    CHUNKER,
    DOCUMENTS,
    EMBEDDER,
    PROMPT,
    RETRIEVER,
    TRAINING,
    Player,
    answering,
    asked_otherwise,
    base,
    chunker,
    documents,
    embedder,
    prompt,
)


def players(good: Bundle, bad: Bundle) -> list[Player]:
    """What answers differently, in the order of the graph; nothing of how it was measured."""
    searched = [documents, chunker, embedder, _retriever] if good.spec.retrieves or bad.spec.retrieves else []
    found = [each for look in (*searched, prompt, answering, base, _training) if (each := look(good, bad))]
    return _merged(found, good, bad)


def said_of(name: str, good: Bundle, bad: Bundle) -> str:
    """What changed in a part that is no player of its own, since it acts only through others."""
    looks = {DOCUMENTS: documents, CHUNKER: chunker, EMBEDDER: embedder, RETRIEVER: _retriever}
    looks |= {PROMPT: prompt, ANSWERING: answering, BASE: base}
    found = looks[name](good, bad) if name in looks else None
    return found.said if found else "the same texts under other terms" if name == DOCUMENTS else ""


def _retriever(good: Bundle, bad: Bundle) -> Player | None:
    own = list(asked_otherwise(good, bad))
    tuned = tuple(differing(good.asking.described(), bad.asking.described()))
    if not own and not tuned:
        return None
    origin = Origin(tuple(own))
    if tuned:
        origin = tuned_from(good, bad)
        own += [] if origin.roots and not origin.own else origin.own or [told(iter(tuned))]
    if own:
        return Player(RETRIEVER, ", ".join(dict.fromkeys(own)))
    return Player(RETRIEVER, f"tuned anew: {told(iter(tuned))}", roots=origin.roots)


def _training(good: Bundle, bad: Bundle) -> Player | None:
    a, b = good.trained, bad.trained
    if a is None or b is None or a.digest == b.digest:
        return None
    origin = trained_from(good, bad)
    said = "; ".join(origin.own)
    if origin.weights:
        about = f"{origin.weights[DOCUMENTS]:.0f} other rows are about changed documents"
        return Player(TRAINING, f"{said}; {about}", roots=origin.roots, weights=origin.weights)
    if origin.own:
        return Player(TRAINING, said)
    if origin.roots:
        return Player(TRAINING, f"trained anew, because of {' and '.join(origin.roots)}", roots=origin.roots)
    return Player(TRAINING, "another checkpoint from the same settings and rows")


def _merged(found: list[Player], good: Bundle, bad: Bundle) -> list[Player]:
    """Parts that do not fit the other side's are swapped as one."""
    names = {player.name for player in found}
    groups: list[tuple[str, ...]] = []
    if good.spec.model != bad.spec.model:
        groups.append((ANSWERING, PROMPT, BASE, TRAINING))
    elif BASE in names:
        groups.append((BASE, TRAINING))
    if good.spec.compression != bad.spec.compression:
        groups.append((ANSWERING, BASE, TRAINING))
    if good.spec.retrieves != bad.spec.retrieves:
        groups.append((RETRIEVER, PROMPT, DOCUMENTS, CHUNKER, EMBEDDER))
    for group in groups:
        found = _joined(found, group)
    return found


def _joined(found: list[Player], group: tuple[str, ...]) -> list[Player]:
    together = sorted((each for each in found if each.parts & set(group)), key=lambda each: group.index(_in(each, group)))
    if len(together) < 2:
        return found
    first = together[0]
    members = tuple(dict.fromkeys(part for each in together for part in (each.members or (each.name,))))
    said = "; ".join(each.said if each is first else f"{each.name}: {each.said}" for each in together)
    merged = replace(first, said=said, roots=(), members=members)
    return [merged if each is first else each for each in found if each is first or each not in together]


def _in(player: Player, group: tuple[str, ...]) -> str:
    return next(name for name in group if name in player.parts)
