"""The release history: write-once files per epoch. It is the truth; aliases and tags in MLflow follow it.

`000007.json` is the record, written first. `000007.<phase>.json` say how far it came; `000007.end.json`, which only one
process can create, says whether it was committed or aborted. Records of earlier versions have no such files and count as
committed. Who moves releases, and when, belongs in `moves.py`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from llmops_pipelines.lifecycle.lake import Refusal, digest, files
from llmops_pipelines.lifecycle.lake.digests import file_digest
from llmops_pipelines.lifecycle.lake.seals import sealed

Phase = Literal["awaiting approval", "prepared", "approved", "alias set", "verified", "committed", "aborted"]
Kind = Literal["release", "promotion", "rollback"]

ANSWERING = ("base_model", "checkpoint", "compressed", "embedder", "index", "retrieval_settings")
PRODUCTION = "production"
MARKS = ("approved", "alias set", "verified", "end")  # have files; asked for by name, since listing a long history is slow
RECORD = re.compile(r"(\d{6})\.json")


class Conflict(Refusal):
    """Somebody else released between reading the history and writing to it."""


class UnknownRelease(Refusal):
    """There is no such release."""


@dataclass(frozen=True)
class Release:
    """The bundle that answers users, promoted and rolled back as one thing.

    `parts` names the exact version in each role: {"index": {"fingerprint": ..., "digest": ...}, ...}; "asset" stands
    beside these where the asset is called otherwise than its role. `settings` and `candidate` ("spec" and its "identity")
    hold what else determines an answer. `replaces` is the epoch that was live in `stage` when this was decided, and `moves`
    the epoch whose bundle this is again, 0 where there is none. `marks` are the phases that it has reached; they are no part
    of the record. `previous` has the sha256 of each file of the epoch before, as they were when this was written: each record
    vouches for the ones before it.
    """

    epoch: int
    pipeline: str
    parts: dict[str, dict[str, str]]
    settings: dict[str, Any]
    scores: dict[str, float]
    model_version: str = ""
    reasons: list[str] = field(default_factory=list)
    stage: str = PRODUCTION
    kind: Kind = "release"
    replaces: int = 0
    moves: int = 0
    approval: str = "automatic"
    actor: str = ""
    why: str = ""
    candidate: dict[str, Any] = field(default_factory=dict)
    judge: str = ""
    terms: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    run: str = ""
    code: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    prepared_at: str = ""
    format: int = 2
    previous: dict[str, str] = field(default_factory=dict)
    seal: str = ""
    marks: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False)

    @property
    def bundle(self) -> str:
        """Identity of what answers: two releases with the same answering parts and settings are the same product."""
        return bundle_digest(self.parts, self.settings, self.candidate)

    @property
    def phase(self) -> Phase:
        if self.format == 1:
            return "committed"
        if ended := self.marks.get("end"):
            return ended["outcome"]
        for phase in ("verified", "alias set", "approved"):
            if phase in self.marks:
                return phase
        return "awaiting approval" if self.approval == "manual" else "prepared"

    @property
    def promoted_at(self) -> str:
        """When it was committed, for people; empty while it is not, and for records of earlier versions."""
        return self.marks["end"]["at"] if self.phase == "committed" and "end" in self.marks else ""

    def asset(self, role: str) -> str:
        return self.parts[role].get("asset", role)


def bundle_digest(parts: dict[str, dict[str, str]], settings: dict[str, Any], candidate: dict[str, Any]) -> str:
    """The parts that are evidence (scores, profile) or origin (documents) do not enter: they do not change an answer."""
    said: dict[str, Any] = {"parts": {role: parts[role]["digest"] for role in ANSWERING if role in parts}, "settings": settings}
    return digest(said | {"candidate": candidate["identity"]} if candidate else said)


def now() -> str:
    """The time, for people only: order comes from epochs."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class History:
    """The releases of one pipeline in a folder."""

    folder: Path

    def epochs(self) -> list[int]:
        """Every epoch that was ever taken, oldest first."""
        names = (RECORD.fullmatch(path.name) for path in self.folder.glob("[0-9]*.json"))
        return sorted(int(found[1]) for found in names if found)

    def record(self, epoch: int) -> Release:
        """The release of an epoch, whatever became of it. Raises `UnknownRelease`."""
        path = self._file(epoch)
        try:
            said = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            known = ", ".join(map(str, self.epochs()[-5:])) or "none yet"
            raise UnknownRelease(f"{path}: there is no release {epoch}; the newest are: {known}") from error
        marks = {mark: found for mark in MARKS if (found := self._mark(epoch, mark))}
        release = Release(**{"format": 1, **said}, marks=marks)
        named = [marks[mark].get("model_version") for mark in ("end", "alias set") if mark in marks]
        return replace(release, model_version=next(filter(None, named), release.model_version))

    def records(self) -> list[Release]:
        """Every release, whatever became of it, oldest first."""
        return [self.record(epoch) for epoch in self.epochs()]

    def releases(self, stage: str | None = None) -> list[Release]:
        """The committed releases, of one stage or all, oldest first."""
        return [each for each in self.records() if each.phase == "committed" and stage in (None, each.stage)]

    def live(self, stage: str = PRODUCTION) -> Release | None:
        """The release that answers users of a stage: the newest that was committed there."""
        return next((each for each in self._newest_first() if each.phase == "committed" and each.stage == stage), None)

    def unfinished(self) -> list[Release]:
        """The releases that are neither committed nor aborted, oldest first."""
        return [each for each in self.records() if each.phase not in ("committed", "aborted")]

    def at(self, time: str, stage: str = PRODUCTION) -> Release | None:
        """The release that was live at a time (ISO 8601; without an offset it is UTC). Records of earlier versions carry
        no time: they count as older than all others."""
        wanted = _moment(time)
        for each in self._newest_first():
            if each.phase == "committed" and each.stage == stage and _moment(each.promoted_at) <= wanted:
                return each
        return None

    def withdrawn(self, bundle: str, stage: str) -> Release | None:
        """The rollback that took this bundle out of a stage, if it was not committed there again since."""
        for each in reversed(self.releases(stage)):
            if each.bundle == bundle:
                return None
            if each.kind == "rollback" and each.replaces and self.record(each.replaces).bundle == bundle:
                return each
        return None

    def append(self, release: Release) -> Release:
        """Write the record of a new epoch. Raises `Conflict` unless that is the next one, and `replaces` is what is live
        (compare-and-set)."""
        last, live = max(self.epochs(), default=0), self.live(release.stage)
        path = self._file(release.epoch)
        record = asdict(replace(release, prepared_at=release.prepared_at or now(), previous=self._digests(last)))
        record.pop("marks")
        expected = (last + 1, live.epoch if live else 0)
        if (release.epoch, release.replaces) != expected or not files.write_once(path, files.to_json(sealed(record))):
            raise Conflict(
                f"{path}: release {release.epoch} was decided against an older history; the live release is untouched; "
                f"materialize {release.pipeline}/release again to compare with the newer one"
            )
        return self.record(release.epoch)

    def mark(self, epoch: int, phase: Phase, **facts: Any) -> bool:
        """Note that a phase was reached. Returns whether this call was the first to say so."""
        return self._write(epoch, phase, facts)

    def end(self, epoch: int, outcome: Literal["committed", "aborted"], **facts: Any) -> Release:
        """Commit or abort, once: whoever comes second finds what was decided, which may be the other outcome."""
        self._write(epoch, "end", {"outcome": outcome, **facts})
        return self.record(epoch)

    def _write(self, epoch: int, mark: str, facts: dict[str, Any]) -> bool:
        return files.write_once(self._mark_file(epoch, mark), files.to_json(sealed({"at": now(), **facts})))

    def _mark(self, epoch: int, mark: str) -> dict[str, Any] | None:
        try:
            return json.loads(self._mark_file(epoch, mark).read_text("utf-8"))
        except FileNotFoundError:
            return None

    def _mark_file(self, epoch: int, mark: str) -> Path:
        return self.folder / f"{epoch:06d}.{mark.replace(' ', '_')}.json"

    def _digests(self, epoch: int) -> dict[str, str]:
        return {path.name: file_digest(path) for path in sorted(self.folder.glob(f"{epoch:06d}*.json"))}

    def _newest_first(self) -> Iterator[Release]:
        return (self.record(epoch) for epoch in reversed(self.epochs()))

    def _file(self, epoch: int) -> Path:
        return self.folder / f"{epoch:06d}.json"


def _moment(time: str) -> datetime:
    if not time:
        return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise Refusal(f"time: {time!r} is no time; write it like 2026-11-20T14:30, in UTC or with an offset") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
