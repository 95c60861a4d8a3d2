"""The page of a `Bisect`: the sentence, the recorded means over the releases, and the comparisons that were made."""

from .bisect import Bisect, Look, told
from .page import Cell, Facts, Page, Series, Table


def page(found: Bisect, pipeline: str = "") -> Page:
    """`pipeline` names what the commands that follow are about."""
    marked = [found.releases.index(found.first)] if found.first else []
    rows = [
        [Cell(str(look.release), "bad" if look.fell else ""), *_numbers(look), "yes" if look.fell else look.reason or "no"]
        for look in found.looks
    ]
    compared = Table(
        f"Compared with release {found.good}", ["release", "difference", "95 % interval", "questions", "fell"], rows
    )
    about = {"releases": len(found.releases), "compared": len(found.looks)}
    if found.step and found.step.mean is not None:
        about |= {f"release {found.first} against {found.before}": told(found.step)}
    names = [str(each) for each in found.releases]
    series = Series(f"{found.metric} as recorded", names, list(found.means), marked)
    return Page(
        title=f"Bisect: {found.metric} from release {found.good} to {found.bad}",
        answer=found.sentence,
        blocks=[Facts("The search", about), series, compared],
        mark="bad" if found.found_fall else "quiet" if found.verdict == "incomparable" else "good",
        next=_next(found, pipeline),
    )


def _numbers(look: Look) -> tuple[str, str, int]:
    if look.mean is None:
        return "", "", look.questions
    return f"{look.mean:+.3f}", f"{look.low:+.3f} to {look.high:+.3f}", look.questions


def _next(found: Bisect, pipeline: str) -> list[tuple[str, str]]:
    if not pipeline or not found.first:
        return []
    if found.verdict == "incomparable":
        return [("search on with the new yardstick", f"llmops bisect {pipeline} {found.first} {found.bad}")]
    pair = f"{pipeline} {found.before} {found.first}"
    return [("see what changed there", f"llmops diff {pair}"), ("find the guilty part", f"llmops blame {pair}")]
