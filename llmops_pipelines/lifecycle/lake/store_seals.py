"""Seals of stores: what each transaction of a Delta table wrote, hashed when it was written. Delta itself has no checksums.

`_seals/<version>.json` holds the sha256 of the log entry and of the files that it added, and of the seal before. Vouching for
the rows themselves, by their content hashes, is for those who know what they mean.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from . import files
from .digests import file_digest
from .refusal import Refusal
from .seals import SEAL, is_intact, sealed

LOG, SEALS = "_delta_log", "_seals"
SUMMARY, SUMMARY_SEAL = ".checkpoint.parquet", ".checkpoint.json"  # of the log up to a version; the log may be removed then


class DamagedStore(Refusal):
    """A file of a store is missing or its bytes changed."""


@dataclass(frozen=True)
class Damage:
    """A file of a store that is not what it was; `expected` and `found` are the beginnings of sha256, or words."""

    path: Path
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: {self.found}, its seal says {self.expected}"


@dataclass(frozen=True)
class Examined:
    """A store against its seals. `unsealed` are entries of the log that nobody vouches for: of the time before there were
    seals, or of a process that was killed right after writing. `anew` says why all seals were made anew, "" if never."""

    sealed: int
    files: int
    damage: tuple[Damage, ...]
    unsealed: tuple[str, ...]
    anew: str = ""


def seal_new(store: Path, anew: str = "") -> int:
    """Write the seals that are missing, and return how many. Once written a seal stays: who comes second finds it.

    Entries that take rows away get none, unless that is why all are made `anew`: appending never does so.
    """
    written = 0
    for version in sorted(_versions(store / LOG, ".json") - _versions(store / SEALS, ".json")):
        if not anew and any(_actions(store, version, "remove")):
            continue
        said = _entry(store, version) | ({"anew": anew} if anew else {})
        written += files.write_once(_seal(store, version), files.to_json(sealed(said)))
    for version in sorted(_versions(store / LOG, SUMMARY) - _versions(store / SEALS, SUMMARY_SEAL)):
        kept = {name: _digest(store / name) for name in _summarised(store, version)} if anew else {}
        said = {"version": version, "log": file_digest(_summary(store, version)), "files": kept, "removed": []}
        said |= {"anew": anew} if anew else {}
        written += files.write_once(_seal(store, version, SUMMARY_SEAL), files.to_json(sealed(said)))
    return written


def seal_anew(store: Path, why: str) -> int:
    """Drop every seal and write new ones, after the table was rewritten on purpose, even when only a summary is left of its
    log. `why` is kept in the new seals."""
    for path in sorted((store / SEALS).glob("*"), reverse=True):
        path.unlink()
    return seal_new(store, why)


def examine(store: Path) -> Examined:
    """Hash what the seals name. Files that a sealed entry took away may be gone, and so may entries that a sealed summary
    replaced."""
    seals = {version: _read(_seal(store, version)) for version in sorted(_versions(store / SEALS, ".json"))}
    summaries = {v: _read(_seal(store, v, SUMMARY_SEAL)) for v in sorted(_versions(store / SEALS, SUMMARY_SEAL))}
    wanted = {_log(store, version): said["log"] for version, said in seals.items() if said}
    wanted |= {_summary(store, version): said["log"] for version, said in summaries.items() if said}
    both = [said for said in (*seals.values(), *summaries.values()) if said]
    wanted |= {store / name: sha for said in both for name, sha in said["files"].items()}
    with ThreadPoolExecutor() as threads:
        found = dict(zip(wanted, threads.map(_digest, wanted), strict=True))
    may_go = _may_go(store, seals, max((v for v, said in summaries.items() if said), default=-1))
    changed = (path for path, sha in wanted.items() if found[path] != sha and (found[path] or path not in may_go))
    loose = sorted(_versions(store / LOG, ".json") - seals.keys())
    unsealed = [_log(store, v) for v in loose]
    unsealed += [_summary(store, v) for v in sorted(_versions(store / LOG, SUMMARY) - summaries.keys())]
    damage = [*_bad_seals(store, seals, summaries), *(_changed(path, wanted[path], found[path]) for path in changed)]
    if seals or summaries:
        damage += [_stranger(_log(store, v)) for v in loose if any(_actions(store, v, "remove"))]
    anew = next((said["anew"] for said in both if said.get("anew")), "")
    return Examined(len(seals) + len(summaries), len(wanted), tuple(damage), tuple(path.name for path in unsealed), anew)


def _entry(store: Path, version: int) -> dict[str, Any]:
    """What the seal of a version says. Files that were taken away before there were seals are left out."""
    hashes = {name: _digest(store / name) for name in _actions(store, version, "add")}
    before = max((v for v in _versions(store / SEALS, ".json") if v < version), default=None)
    return {
        "version": version,
        "log": file_digest(_log(store, version)),
        "files": {name: sha for name, sha in hashes.items() if sha},
        "removed": sorted(_actions(store, version, "remove")),
        "previous": "" if before is None else file_digest(_seal(store, before)),
    }


def _may_go(store: Path, seals: Mapping[int, dict[str, Any] | None], summarised: int) -> set[Path]:
    taken = {store / name for said in seals.values() if said for name in said["removed"]}
    return taken | {_log(store, version) for version in seals if version <= summarised}


def _bad_seals(store: Path, seals: Mapping[int, dict[str, Any] | None], summaries: Mapping[int, Any]) -> Iterator[Damage]:
    """Seals that were edited, and gaps in their chain: each names the one before."""
    before = ""
    for version, said in seals.items():
        path = _seal(store, version)
        if said is None:
            yield Damage(path, "otherwise", "the seal itself was edited")
        elif said["previous"] != before:
            expected = said["previous"][:12] or "nothing"
            yield Damage(path, f"{expected} came before it", f"the seal before it has {before[:12] or 'gone'}")
        before = _digest(path)
    for version in (version for version, said in summaries.items() if said is None):
        yield Damage(_seal(store, version, SUMMARY_SEAL), "otherwise", "the seal itself was edited")


def _changed(path: Path, expected: str, found: str) -> Damage:
    return Damage(path, f"sha256 {expected[:12]}", f"sha256 is {found[:12]}" if found else "missing")


def _stranger(path: Path) -> Damage:
    return Damage(path, "nothing", "it takes rows away and has no seal; a store only grows")


def _actions(store: Path, version: int, kind: str) -> Iterator[str]:
    """The files that a log entry adds or removes."""
    for line in _log(store, version).read_bytes().splitlines():
        if line.startswith(f'{{"{kind}"'.encode()):
            with suppress(ValueError):  # an entry that was damaged before it was sealed
                yield unquote(json.loads(line)[kind]["path"])


def _summarised(store: Path, version: int) -> list[str]:
    """The files of the table as a summary lists them."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(_summary(store, version)) as file:
        added = file.read(columns=["add.path"]).column("add").combine_chunks().field("path").to_pylist()
    return [unquote(path) for path in added if path]


def _log(store: Path, version: int) -> Path:
    return store / LOG / f"{version:020d}.json"


def _summary(store: Path, version: int) -> Path:
    return store / LOG / f"{version:020d}{SUMMARY}"


def _seal(store: Path, version: int, ending: str = ".json") -> Path:
    return store / SEALS / f"{version:020d}{ending}"


def _versions(folder: Path, ending: str) -> set[int]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return set()
    return {int(name[:20]) for name in names if name[20:] == ending and name[:20].isdigit()}


def _read(path: Path) -> dict[str, Any] | None:
    """A seal, None if it is not what was written."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and SEAL in said and is_intact(said) else None


def _digest(path: Path) -> str:
    """sha256 of the bytes, "" if there is no such file."""
    try:
        return file_digest(path)
    except OSError:
        return ""
