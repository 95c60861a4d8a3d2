"""Files whose parser or cleaner was stopped (time, memory, a crash) are tried again after longer and longer pauses.

The machine may have been at fault; after MOST attempts the file is given up. One that changes, or gets another parser or
cleaner, starts anew: its key is another one.
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
STOPPED = tuple(f"{who}_{why}" for who in ("parser", "cleaner") for why in ("crashed", "timed_out", "out_of_memory"))


def next_retry(lake: "Lake", source: str) -> float | None:
    """When (Unix seconds) the next stopped file of a source is due, None when there is none left to try."""
    retries = Retries.of(lake, f"parsed_documents/{source}")
    return min((retries.due[key] for key, made in retries.made.items() if made < MOST and key in retries.due), default=None)


@dataclass(frozen=True)
class Retries:
    """Per file and parser (or text and cleaner): its last attempt, and when (Unix seconds) the next is due, if any.

    The number of an attempt that went well stays: it names the result, and without it the failure before would be read again.
    """

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
        """Attempt number to use per file, one higher for those that are due. Those at their first, 0, are left out."""
        moment = time.time() if now is None else now
        due = {key for key, made in self.made.items() if made < MOST and key in self.due and moment >= self.due[key]}
        return {key: made + (key in due) for key, made in self.made.items() if made or key in due}

    def note(self, stopped: Iterable[str], seen: Iterable[str], attempts: dict[str, int], now: float | None = None) -> None:
        """Remember which files were stopped this time, and of the others `seen` those that took more than one attempt."""
        moment = time.time() if now is None else now
        failed = {key: attempts.get(key, 0) for key in stopped}
        made = {key: attempts[key] for key in seen if attempts.get(key)} | failed
        due = {
            key: self.due[key] if self.made.get(key) == number and key in self.due else moment + PAUSE * 4**number
            for key, number in failed.items()
        }
        if (made, due) != (self.made, self.due):
            files.replace(self.path, files.to_json({"made": made, "due": due}))
