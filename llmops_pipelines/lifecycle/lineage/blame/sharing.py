"""From measured coalitions to parts with shares: what only followed from another part is counted to that one."""

from collections.abc import Mapping

from llmops_pipelines.lifecycle.evaluation.statistics import detectable

from .answer import Flipped, Interaction, Part, Through, Total
from .attribution import Bootstrap, Terms, added
from .bundles import Bundle
from .measuring import NOTHING, Measured
from .parts import ORDER, Player
from .players import said_of

FLIP = 0.15  # points that a question must lose to count as flipped


def total_of(measured: Measured) -> Total:
    """The change from the good side to the bad one; nothing has changed where nothing differs."""
    recorded = tuple(_recorded_mean(side, measured.metric) for side in (measured.good, measured.bad))
    if not measured.everything:
        mean = recorded[0] or 0.0
        return Total(measured.metric, mean, mean, 0.0, 0.0, 0.0, len(measured.yard.good), None, recorded)
    a, b = measured.values[NOTHING], measured.values[measured.all_of_it]
    bootstrap = measured.bootstrap([NOTHING, measured.all_of_it])
    change = bootstrap.estimate({measured.all_of_it: 1.0, NOTHING: -1.0})
    least = detectable([b[name] - a[name] for name in sorted(a.keys() & b.keys())])
    means = (bootstrap.mean(NOTHING), bootstrap.mean(measured.all_of_it))
    return Total(measured.metric, *means, change.mean, change.low, change.high, len(bootstrap.names), least, recorded)


def parts_of(measured: Measured, terms: Mapping[str, Terms], bootstrap: Bootstrap) -> list[Part]:
    """Every part with its share, the largest fall first."""
    known = {each.name: each for each in measured.everything}
    direct = {name: bootstrap.estimate(each).mean for name, each in terms.items()}
    sums: dict[str, list[Terms]] = {name: [terms[name]] for name in terms if not known[name].roots}
    through: dict[str, list[Through]] = {}
    for name, player in known.items():
        for root, portion in portions(player, known, direct):
            passed_on = added([terms[name]], portion)
            sums.setdefault(root, []).append(passed_on)
            if root != name:
                share = bootstrap.estimate(passed_on).mean
                through.setdefault(root, []).append(Through(name, share, player.said))
    found = []
    for name, each in sums.items():
        share = bootstrap.estimate(added(each))
        single = bootstrap.estimate(measured.alone(name)) if name in terms else None
        said = known[name].said if name in known else said_of(name, measured.good, measured.bad)
        swapped = (single.mean, single.low, single.high) if single else (None, None, None)
        found.append(Part(name, said, share.mean, share.low, share.high, *swapped, tuple(through.get(name, ()))))
    return sorted(found, key=lambda part: (part.share, ORDER.index(part.name)))


def portions(player: Player, known: Mapping[str, Player], direct: Mapping[str, float]) -> list[tuple[str, float]]:
    """(root, portion) of a part that only followed: as counted where its rows could be counted, else in proportion to what
    the roots did themselves, else evenly."""
    roots = {root: next((each.name for each in known.values() if root in each.parts), root) for root in player.roots}
    sizes: dict[str, float] = {}
    for root, name in roots.items():
        size = player.weights.get(root, 0.0) if player.weights else abs(direct.get(name, 0.0))
        sizes[name] = sizes.get(name, 0.0) + size
    whole = sum(sizes.values())
    return [(name, size / whole if whole > 1e-9 else 1 / len(sizes)) for name, size in sizes.items()]


def interaction_of(measured: Measured, terms: Mapping[str, Terms], bootstrap: Bootstrap) -> Interaction | None:
    """What the parts do together beyond the sum of their single effects."""
    if len(terms) < 2:
        return None
    singles = added([measured.alone(name) for name in terms], -1.0)
    found = bootstrap.estimate(added([{measured.all_of_it: 1.0}, {NOTHING: -1.0}, singles]))
    return Interaction(found.mean, found.low, found.high, not found.is_noise)


def flipped_of(measured: Measured, terms: Mapping[str, Terms]) -> list[Flipped]:
    """The questions that lost most, each with the part whose share in its fall is the largest."""
    a, b = measured.values[NOTHING], measured.values[measured.all_of_it]
    lost = [name for name in a.keys() & b.keys() if a[name] - b[name] >= FLIP]
    asked = measured.yard.good
    return [
        Flipped(name, asked[name].question, a[name], b[name], _cause(measured, name, terms))
        for name in sorted(lost, key=lambda name: (b[name] - a[name], name))
    ]


def _cause(measured: Measured, name: str, terms: Mapping[str, Terms]) -> str:
    known = {each.name: each for each in measured.everything}
    falls: dict[str, float] = {}
    direct = {
        player: sum(factor * measured.values[coalition].get(name, 0.0) for coalition, factor in each.items())
        for player, each in terms.items()
    }
    for player, fall in direct.items():
        for root, portion in portions(known[player], known, direct) or [(player, 1.0)]:
            falls[root] = falls.get(root, 0.0) + portion * fall
    return min(falls, key=lambda part: (falls[part], part))


def _recorded_mean(side: Bundle, metric: str) -> float | None:
    return side.part("eval_scores").json("summary").get(metric, {}).get("mean")
