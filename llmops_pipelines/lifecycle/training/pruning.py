"""Giving up a trial that trains worse than the others: reads the log in its newest checkpoint, ends its processes.

Works with whatever starts the processes, since it knows them by the lock of their work folder.
"""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from ..lake import Version
from . import checkpoints, guard

if TYPE_CHECKING:
    from ...config.search import Pruner

WINDOW = 10  # steps whose mean loss is compared: single batches are easy or hard
LOOK_EVERY = 1.0  # seconds
PATIENCE = 15.0  # seconds that processes have to end by themselves
Run = Callable[[list[str], dict[str, str]], None]


class GivenUp(Exception):
    """This trial was worse than the others; its training was ended."""


def smoothed(log: list[dict]) -> dict[int, float]:
    """Step -> mean loss of the `WINDOW` steps up to it, at each multiple of that; steps without a finite loss leave a gap."""
    found = {}
    for last in range(WINDOW, len(log) + 1, WINDOW):
        losses = [row["loss"] for row in log[last - WINDOW : last]]
        if None not in losses:
            found[log[last - 1]["step"]] = sum(losses) / WINDOW
    return found


def worse_from(losses: dict[int, float], others: list[dict[int, float]], pruner: "Pruner") -> int | None:
    """The first step at which the loss is above the median of `others` at that step, None if there is none."""
    if len(others) < pruner.after_trials:
        return None
    for step, loss in sorted(losses.items()):
        known = [each[step] for each in others if step in each]
        if step > pruner.after_steps and len(known) >= pruner.after_trials and loss > median(known):
            return step
    return None


@dataclass
class Watch:
    """Looks after one trial. Call it with a `run` to get one that is given up when the trial is; `losses` are those that were
    judged, up to the step of the verdict, so that the record does not depend on when somebody looked."""

    pruner: "Pruner | None"
    others: list[dict[int, float]]
    losses: dict[int, float] = field(default_factory=dict)
    steps: int | None = None
    gave_up: bool = False

    def __call__(self, run: Run) -> Run:
        def watched(command: list[str], variables: dict[str, str]) -> None:
            ended = threading.Event()
            work = next(Path(part).parent for part in command if part.endswith("job.json"))
            looking = threading.Thread(target=self._look, args=(work, ended), daemon=True)
            looking.start()
            try:
                run(command, variables)
            except Exception:  # whatever `run` raises when its process ends badly
                if self.gave_up:
                    shutil.rmtree(work / "checkpoints", ignore_errors=True)  # nobody will resume it
                raise
            finally:
                ended.set()
                looking.join()

        return watched

    def last(self, version: Version) -> None:
        """Judge the whole log of a trial that came to its end. Raises `GivenUp`: nobody looked in time, but it was worse."""
        self._judge(version.table("training_log").to_pylist())
        if self.gave_up:
            raise GivenUp

    def _judge(self, log: list[dict]) -> None:
        self.losses, self.steps = smoothed(log), log[-1]["step"] if log else None
        step = worse_from(self.losses, self.others, self.pruner) if self.pruner else None
        if step is not None:
            self.losses = {at: loss for at, loss in self.losses.items() if at <= step}
            self.steps, self.gave_up = step, True

    def _look(self, work: Path, ended: threading.Event) -> None:
        while not ended.wait(LOOK_EVERY):
            if not self.gave_up:
                self._judge(_newest_log(work))
            if self.gave_up:
                _end(work / "process.lock", ended)


def _newest_log(work: Path) -> list[dict]:
    """The log of the newest sealed checkpoint; none while it is being written or removed."""
    sealed = (path.parent for path in (work / "checkpoints").glob(f"checkpoint-*/{checkpoints.MANIFEST}"))
    try:
        return json.loads((max(sealed, key=checkpoints.step_of) / checkpoints.LOG).read_text("utf-8"))
    except (OSError, ValueError):
        return []


def _end(lock: Path, ended: threading.Event) -> None:
    """End the processes that hold `lock`: politely, then by force; the ranks are bound to the one that started them."""
    for name in (signal.SIGTERM, signal.SIGKILL):
        holder = guard.holder(lock) if lock.is_file() else 0
        if holder in (0, os.getpid()) or not guard.alive(holder):  # it has not begun yet, or is over
            return
        os.kill(holder, name)
        if ended.wait(PATIENCE):
            return
