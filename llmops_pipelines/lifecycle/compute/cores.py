"""How many cores this process may use: affinity, and the quota of a container, which the number of cores does not know."""

import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # '<microseconds per period, or max> <period>'


def usable(quota: Path = QUOTA) -> int:
    """At least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _granted(quota)))


def _granted(quota: Path) -> int:
    """Whole cores of the quota, rounded up; without one as many as there are."""
    try:
        most, period = quota.read_text("ascii").split()
        return math.ceil(int(most) / int(period))
    except (OSError, ValueError):
        return os.cpu_count() or 1
