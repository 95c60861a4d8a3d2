"""Frozen pipelines: who stopped the automation of one, why, and since when. A file in the home, so that every process sees it.

Which ticks and promotions a freeze stops is said in `assets/automation.py` and `assets/release.py`.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from llmops_pipelines.lifecycle.lake import Refusal, files

from .home import Home


class AlreadyFrozen(Refusal):
    """Somebody froze it before; their name and reason stay."""


@dataclass(frozen=True)
class Freeze:
    """A person's decision that a pipeline does nothing by itself. `at` is for people (ISO 8601, UTC)."""

    by: str
    why: str
    at: str

    def __str__(self) -> str:
        return f"frozen by {self.by}: {self.why}"


def frozen(home: Home, pipeline: str) -> Freeze | None:
    """The freeze of a pipeline, None when its automation is free. A file that cannot be read counts as a freeze."""
    path = _file(home, pipeline)
    try:
        return Freeze(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return Freeze("somebody", f"{path} cannot be read", "")


def skip(home: Home, pipeline: str) -> dg.SkipReason | None:
    """What a tick of a frozen pipeline answers: "frozen by NAME: WHY"; None when it may go on."""
    found = frozen(home, pipeline)
    return dg.SkipReason(str(found)) if found else None


def freeze(home: Home, pipeline: str, by: str, why: str) -> Freeze:
    """Stop a pipeline's automation. Raises `AlreadyFrozen` when somebody did before."""
    decided = Freeze(by, why, datetime.now(UTC).isoformat(timespec="seconds"))
    with _alone(home):
        if not files.write_once(_file(home, pipeline), files.to_json(asdict(decided))):
            before = frozen(home, pipeline)
            raise AlreadyFrozen(f"{pipeline} is {before} (since {before.at}); to change that: llmops unfreeze {pipeline}")
        _note(home, pipeline, {"what": "freeze", **asdict(decided)})
    return decided


def unfreeze(home: Home, pipeline: str, by: str) -> Freeze | None:
    """Let the automation go on. Returns the freeze that ended, None when there was none."""
    with _alone(home):
        ended = frozen(home, pipeline)
        if ended is None:
            return None
        at = datetime.now(UTC).isoformat(timespec="seconds")
        _note(home, pipeline, {"what": "unfreeze", "by": by, "at": at, "ended": asdict(ended)})
        _file(home, pipeline).unlink()
        files.sync_directory(_folder(home))
    return ended


def log(home: Home, pipeline: str) -> list[dict[str, Any]]:
    """Every freeze and unfreeze of a pipeline, oldest first: who, when, and why."""
    path = _folder(home) / f"{pipeline}.log"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def _note(home: Home, pipeline: str, event: dict[str, Any]) -> None:
    lines = [json.dumps(each, sort_keys=True, ensure_ascii=False) for each in [*log(home, pipeline), event]]
    files.replace(_folder(home) / f"{pipeline}.log", ("\n".join(lines) + "\n").encode("utf-8"))


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _folder(home: Home) -> Path:
    return home.folder / "frozen"


def _file(home: Home, pipeline: str) -> Path:
    return _folder(home) / f"{pipeline}.json"
