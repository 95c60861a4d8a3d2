"""The release's own record, and all records around it: seals, the chain from epoch to epoch, marks, and the papers.

Records are read as files, not as releases: one that was edited may be none any more.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llmops_pipelines.lifecycle.lake.digests import file_digest
from llmops_pipelines.lifecycle.lake.seals import SEAL, is_intact
from llmops_pipelines.lifecycle.release import papers
from llmops_pipelines.lifecycle.release.history import History, Release
from llmops_pipelines.lifecycle.release.surroundings import code_version

from .checks import Check, short

FILE = re.compile(r"(\d{6})(?:\.\w+)?\.json")
BACKUP = "restore releases/ from a backup; nothing can make a record again"


def records(history: History, epoch: int) -> Iterator[Check]:
    """The record and marks of this epoch first, then every other one, then the chain."""
    read = [_Record.read(path) for path in sorted(history.folder.glob("*.json")) if FILE.fullmatch(path.name)]
    own = [each for each in read if each.epoch == epoch]
    yield from (record.check() for record in sorted(own, key=lambda each: len(each.path.name)))  # the record, then its marks
    others = [each.check() for each in read if each.epoch != epoch]
    yield from (check for check in others if check.outcome == "differs")
    yield from _chain({each.path.name: each for each in read}, history.folder, {check.outcome for check in others})


def state(release: Release, folder: Path) -> Iterator[Check]:
    """Whether it was ever live: what was not, nobody has decided about."""
    if release.phase not in ("committed", "aborted"):
        place = str(folder / f"{release.epoch:06d}.end.json")
        fix = f"finish or abort it with: llmops release recover {release.pipeline} --yes"
        yield Check("end of the release", place, "not vouched", "committed or aborted", f"the release is {release.phase}", fix)


def made_papers(release: Release, folder: Path) -> Iterator[Check]:
    """Model card, bill of materials and bundle against what the record makes of them."""
    kept = folder / f"{release.epoch:06d}"
    if not kept.is_dir():
        if release.kind != "rollback" and release.phase == "committed" and release.format > 1:
            yield Check(
                "papers", str(kept), "differs", "model card, bill of materials, bundle", "missing", _papers_fix(release)
            )
        return
    with TemporaryDirectory() as aside:
        made = {path.name: path.read_bytes() for path in papers.write(release, Path(aside)).iterdir()}
    there = {path.name: path.read_bytes() for path in kept.iterdir() if path.is_file()}
    same_code = release.code == code_version()
    for name in sorted(made.keys() | there.keys()):
        yield _paper(release, kept / name, made.get(name), there.get(name), same_code)


def _paper(release: Release, path: Path, made: bytes | None, there: bytes | None, same_code: bool) -> Check:
    if made == there:
        return Check("papers", str(path), "match", "what the record says", "the same bytes")
    if there is None:
        return Check("papers", str(path), "differs", "made from the record", "missing", _papers_fix(release))
    if made is None:
        return Check("papers", str(path), "differs", "no such file", "a file that no release writes", f"remove {path}")
    if not same_code:
        found = f"other bytes, but {release.code or 'an earlier version'} wrote them and this is {code_version()}"
        return Check("papers", str(path), "not vouched", "made from the record", found)
    return Check("papers", str(path), "differs", "made from the record", "other bytes", _papers_fix(release))


def _papers_fix(release: Release) -> str:
    return f"restore it from a backup, or from the copy that MLflow keeps beside {release.pipeline}'s model version"


@dataclass(frozen=True)
class _Record:
    """A file of the history: a record of an epoch, or one of its marks. `said` is None when it cannot be read."""

    path: Path
    epoch: int
    said: dict[str, Any] | None

    @classmethod
    def read(cls, path: Path) -> "_Record":
        try:
            said = json.loads(path.read_bytes())
        except (OSError, ValueError):
            said = None
        return cls(path, int(path.name[:6]), said if isinstance(said, dict) else None)

    @property
    def what(self) -> str:
        mark = self.path.name.split(".")[1]
        return f"record of release {self.epoch}" if mark == "json" else f"mark {mark.replace('_', ' ')} of release {self.epoch}"

    def check(self) -> Check:
        place = str(self.path)
        if self.said is None:
            return Check(self.what, place, "differs", "a record", "cannot be read", BACKUP)
        if SEAL not in self.said:
            return Check(self.what, place, "not vouched", "a seal", "none: an earlier version wrote it")
        if not is_intact(self.said):
            found = "its seal does not match: it was edited"
            return Check(self.what, place, "differs", f"seal {short(str(self.said[SEAL]))}", found, BACKUP)
        return Check(self.what, place, "match", "its seal", f"seal {short(self.said[SEAL])}")


def _chain(known: dict[str, _Record], folder: Path, others: set[str]) -> Iterator[Check]:
    """Each record has the sha256 of every file of the epoch before, as it was then."""
    epochs = {each.epoch: each for name, each in known.items() if len(name) == len("000000.json")}
    broken, vouched = [], 0
    for epoch in range(1, max(epochs, default=0) + 1):
        record = epochs.get(epoch)
        if record is None:
            path = folder / f"{epoch:06d}.json"
            broken.append(
                Check(f"record of release {epoch}", str(path), "differs", "a record of every epoch", "missing", BACKUP)
            )
            continue
        for name, sha in ((record.said or {}).get("previous") or {}).items():
            vouched += 1
            if wrong := _vouched(folder / name, sha, epoch):
                broken.append(wrong)
    yield from broken
    if not broken and "differs" not in others:
        outcome = "match" if vouched or len(epochs) == 1 else "not vouched"
        yield Check(
            "chain of the history", str(folder), outcome, f"{len(epochs)} records, each naming the one before", "as it was"
        )


def _vouched(path: Path, sha: str, epoch: int) -> Check | None:
    found = file_digest(path) if path.is_file() else ""
    if found == sha:
        return None
    record = _Record(path, int(path.name[:6]), None)
    said = f"sha256 {short(found)}" if found else "missing"
    return Check(record.what, str(path), "differs", f"sha256 {short(sha)}, says release {epoch}", said, BACKUP)
