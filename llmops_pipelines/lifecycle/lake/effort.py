"""What it takes to make a version: wall time, and processor time of this process and its children."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Effort:
    """Measured from its creation on."""

    started: float = field(default_factory=time.monotonic)
    processor: float = field(default_factory=lambda: _processor_seconds())

    def so_far(self) -> dict[str, float | str]:
        """`at` is for people only: order comes from sequence numbers and epochs."""
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self.started, 3),
            "cpu_seconds": round(max(0.0, _processor_seconds() - self.processor), 3),
        }


def _processor_seconds() -> float:
    """Of this process, of the children that it waited for, and of those that are alive."""
    import psutil

    here = psutil.Process()
    own = here.cpu_times()
    found = own.user + own.system + own.children_user + own.children_system
    for child in here.children(recursive=True):
        try:
            took = child.cpu_times()
        except psutil.Error:
            continue
        found += took.user + took.system + took.children_user + took.children_system
    return found
