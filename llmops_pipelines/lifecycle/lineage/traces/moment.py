"""What was live in a stage at a time: the lineage of that release, and what came before and after it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Lake

from ..page import Page, Table
from .release import ReleaseLineage, lineage_of
from .release_page import header, scores

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.release.history import History, Release


@dataclass(frozen=True)
class Move:
    """A release that came into the stage: one line of its history."""

    release: int
    when: str
    kind: str
    by: str
    why: str


@dataclass(frozen=True)
class Moment:
    """The answer to "what was live then?". `live` is None when nothing was. `until` is when the next release took over, empty
    while it answers; `around` are the releases of the stage from the one before to the one after."""

    pipeline: str
    stage: str
    time: str
    live: ReleaseLineage | None
    until: str
    around: list[Move]


def was_live(lake: Lake, history: "History", time: str, stage: str) -> Moment:
    """`time` is ISO 8601, without an offset in UTC. Raises `Refusal` for a text that is no time."""
    found = history.at(time, stage)
    known = history.releases(stage)
    if found is None:
        return Moment(lake.pipeline, stage, time, None, "", [_move(each) for each in known[:1]])
    place = next(number for number, each in enumerate(known) if each.epoch == found.epoch)
    after = known[place + 1 : place + 2]
    around = [_move(each) for each in known[max(0, place - 1) : place + 2]]
    until = after[0].promoted_at if after else ""
    return Moment(lake.pipeline, stage, time, lineage_of(lake, history, found), until, around)


def _move(release: "Release") -> Move:
    when = release.promoted_at or release.prepared_at
    again = f" of release {release.moves}" if release.moves else ""
    return Move(release.epoch, when, f"{release.kind}{again}", release.actor, release.why)


def moment_page(found: Moment) -> Page:
    """The page of a moment: the header of the release, its scores, and the releases around it."""
    rows = [(each.release, each.when or "not recorded", each.kind, each.by, each.why) for each in found.around]
    title = "Releases around it" if found.live else "The first release of this stage"
    moves = Table(title, ("release", "when", "what", "by", "why"), rows)
    live = found.live
    blocks = [header(live), moves, scores(live)] if live else [moves]
    return Page(
        title=f"{found.pipeline} at {found.time}",
        answer=_answer(found),
        blocks=[block for block in blocks if not isinstance(block, Table) or block.rows],
        next=_next(found),
    )


def _answer(found: Moment) -> str:
    if found.live is None:
        return f"Nothing was live in {found.stage} of {found.pipeline} at {found.time}."
    came = found.live.promoted_at or "a time that was not recorded"
    ended = f"until {found.until}" if found.until else "and it still is"
    return f"Release {found.live.release} was live in {found.stage}, from {came} {ended}."


def _next(found: Moment) -> list[tuple[str, str]]:
    if found.live is None:
        return []
    name, number = found.pipeline, found.live.release
    return [
        ("what it was made of", f"llmops lineage {name} {number}"),
        ("what it answered then", f'llmops ask {name} "..." --release {number}'),
    ]
