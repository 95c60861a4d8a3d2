"""Files whose parser was stopped (time, memory, a crash) are tried again, each time after a longer pause, then given up.

The machine may have been at fault. A file that changes, or gets another parser, starts anew: its key is another one.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import files

if TYPE_CHECKING:
    from ..lake import Lake

PAUSE = 3600.0  # seconds before the second attempt; each further pause is four times as long
MOST = 5
STOPPED = ("parser_crashed", "parser_timed_out", "parser_out_of_memory")


def next_retry(lake: "Lake", source: str) -> float | None:
    """When (Unix seconds) the next stopped file of a source is due, None when there is none left to try."""
    retries = Retries.of(lake, f"parsed_documents/{source}")
    return min((retries.due[key] for key, made in retries.made.items() if made < MOST and key in retries.due), default=None)


@dataclass(frozen=True)
class Retries:
    """Per file and parser: attempts made so far, and when (Unix seconds) the next one is due."""

    path: Path
    made: dict[str, int]
    due: dict[str, float]

    @classmethod
    def of(cls, lake: "Lake", asset: str) -> "Retries":
        path = lake.desk(asset, "retries.json")
        try:
            known: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        return cls(path, known.get("made", {}), known.get("due", {}))

    def attempts(self, now: float | None = None) -> dict[str, int]:
        """Attempt number to use per file, one higher for those that are due. Others are at their first, 0."""
        moment = time.time() if now is None else now
        return {key: made + (made < MOST and moment >= self.due.get(key, 0.0)) for key, made in self.made.items()}

    def note(self, stopped: Iterable[str], attempts: dict[str, int], now: float | None = None) -> None:
        """Remember which files were stopped this time; the others are forgotten."""
        moment = time.time() if now is None else now
        made = {key: attempts.get(key, 0) for key in stopped}
        due = {
            key: self.due[key] if self.made.get(key) == number and key in self.due else moment + PAUSE * 4**number
            for key, number in made.items()
        }
        if (made, due) != (self.made, self.due):
            files.replace(self.path, files.to_json({"made": made, "due": due}))
