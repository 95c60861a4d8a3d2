"""From measured shares to a verdict and one sentence that says it."""

from collections.abc import Sequence
from dataclasses import replace

from .answer import Blame, Part, Total, Verdict
from .parts import DOCUMENTS, JUDGE, QUESTIONS

SMALL = 0.1  # portion of the change below which a part is not called guilty
MOST = 0.5  # portion of the change from which the instrument is what moved
NAMED = 5  # documents in the sentence


def is_noise(total: Total) -> bool:
    """Whether the interval of the change holds zero."""
    return total.low <= 0 <= total.high


def conclude(found: Blame) -> Blame:
    """The verdict on shares that were measured: which parts are guilty, and whether the instrument moved."""
    total = found.total
    if total.change > 0:
        better = replace(found, verdict="better")
        return replace(better, sentence=sentence(better))
    parts = _judged(found.parts, total.change)
    verdict: Verdict = "guilty"
    top = parts[0]
    if top.name in (JUDGE, QUESTIONS) and top.share is not None and top.share <= MOST * total.change:
        verdict = "the judge moved" if top.name == JUDGE else "the eval set moved"
    done = replace(found, verdict=verdict, parts=parts)
    return replace(done, sentence=sentence(done))


def _judged(parts: Sequence[Part], change: float) -> list[Part]:
    """Guilty is whose share is certainly a fall and no trifle; if none is, the largest."""
    guilty = [
        part.share is not None and part.high is not None and part.high < 0 and part.share <= SMALL * change for part in parts
    ]
    if not any(guilty):
        guilty = [True, *guilty[1:]]
    return [replace(part, guilty=is_guilty) for part, is_guilty in zip(parts, guilty, strict=True)]


def change_of(total: Total) -> str:
    """ "token_f1 0.612 -> 0.540 (-0.072, 95 % interval -0.101 to -0.044)"."""
    return (
        f"{total.metric} {total.good:.3f} -> {total.bad:.3f} "
        f"({total.change:+.3f}, 95 % interval {total.low:+.3f} to {total.high:+.3f})"
    )


def sentence(found: Blame) -> str:
    """The verdict in one sentence."""
    total = found.total
    if found.verdict == "same":
        return f"{found.good} and {found.bad} are the same product, measured in the same way: nothing to blame"
    if found.verdict == "noise":
        return _noise(found, total)
    return _changed(found, total)


def _noise(found: Blame, total: Total) -> str:
    least = f"; {total.questions} questions show changes from {total.detectable:.3f} on" if total.detectable else ""
    return f"no change beyond noise from {found.good} to {found.bad}: {change_of(total)}{least}"


def _changed(found: Blame, total: Total) -> str:
    said = change_of(total)
    if found.verdict == "better":
        ranked = sorted(found.parts, key=lambda part: -(part.share or 0.0))
        most = f", most of it from {_with_share(ranked[0])}" if ranked else ""
        return f"{found.bad} is better than {found.good}, not worse: {said}{most}"
    guilty = [part for part in found.parts if part.guilty]
    together = f"; parts interact ({found.interaction.effect:+.3f} beyond their single effects)" if _interacts(found) else ""
    if found.verdict == "the judge moved":
        return f"the judge moved, not the product: {said}, {_with_share(guilty[0])} by scoring the same answers otherwise"
    if found.verdict == "the eval set moved":
        return f"the evaluation set moved, not the product: {said}, {_with_share(guilty[0])} by asking otherwise{together}"
    who = " and ".join(_with_share(part) for part in guilty)
    return f"{who} made it worse: {said}{_documents(found)}{together}"


def _with_share(part: Part) -> str:
    through = "".join(f", {each.share:+.3f} of it through {each.name}" for each in part.through if abs(each.share) >= 0.0005)
    return f"{part.name} ({part.share:+.3f}{through})"


def _documents(found: Blame) -> str:
    about = found.documents
    if about is None or not any(part.guilty and part.name == DOCUMENTS for part in found.parts):
        return ""
    if not about.guilty:
        return ""
    names = ", ".join(each.doc_id for each in about.guilty[:NAMED])
    more = f" and {len(about.guilty) - NAMED} more" if len(about.guilty) > NAMED else ""
    return f"; reversing {names}{more} restores {about.confirmed} of {about.flipped} flipped questions"


def _interacts(found: Blame) -> bool:
    together = found.interaction
    return bool(together and together.beyond_noise and abs(together.effect) >= SMALL * abs(found.total.change))
