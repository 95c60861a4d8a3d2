"""What a person sees while training runs: a line every few seconds to the log, every step to MLflow. No torch here."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from .work import Tracking

METRICS = ("loss", "learning_rate", "tokens_per_second")


@dataclass(frozen=True)
class Point:
    """One optimizer step. `seconds` and `tokens` (of all ranks, without padding) since training began, what a kill cost
    not counted."""

    step: int
    loss: float
    learning_rate: float
    tokens_per_second: float
    seconds: float
    tokens: int = 0


@dataclass
class Progress:
    """Keeps every step and reports some: the first, the last, and one each `every` seconds in between."""

    total: int
    say: Callable[[str], None]
    publish: Callable[[list[Point]], None] = lambda points: None
    every: float = 5.0
    clock: Callable[[], float] = time.monotonic
    points: list[Point] = field(default_factory=list)

    def begin(self, points: list[Point]) -> None:
        """Start the clock; `points` are the steps that a resumed run has behind it."""
        self.points = list(points)
        self._start = self._last = self._reported = self.clock()
        self._steps_before, self._seconds_before = len(points), points[-1].seconds if points else 0.0
        self._tokens = points[-1].tokens if points else 0
        self._waiting: list[Point] = []

    def step(self, step: int, loss: float, learning_rate: float, tokens: int) -> None:
        """Take note of a step that just ended after reading `tokens` tokens."""
        now = self.clock()
        speed = tokens / max(now - self._last, 1e-9)
        self._tokens += tokens
        point = Point(step, loss, learning_rate, round(speed, 1), round(self.elapsed(now), 3), self._tokens)
        self._last = now
        self.points.append(point)
        self._waiting.append(point)
        if len(self.points) == self._steps_before + 1 or step >= self.total or now - self._reported >= self.every:
            self._report(now)

    def elapsed(self, now: float | None = None) -> float:
        """Seconds of training until now, those before a kill counted as far as a checkpoint kept them."""
        return self._seconds_before + (self.clock() if now is None else now) - self._start

    def flush(self) -> None:
        if self._waiting:
            self._report(self.clock())

    def _report(self, now: float) -> None:
        self.say(self.line(now))
        self.publish(self._waiting)
        self._waiting, self._reported = [], now

    def line(self, now: float) -> str:
        last, shown = self.points[-1], self._waiting
        per_step = (now - self._start) / (len(self.points) - self._steps_before)
        speed = sum(point.tokens_per_second for point in shown) / len(shown)
        return (
            f"step {last.step}/{self.total}  loss {sum(p.loss for p in shown) / len(shown):.4f}  "
            f"lr {last.learning_rate:.2e}  {speed:.0f} tokens/s  {(self.total - last.step) * per_step:.0f} s left"
        )

    def as_rows(self) -> list[dict[str, float]]:
        """The log as JSON can hold it: a loss that is no number is None."""
        rows = [asdict(point) for point in self.points]
        return [{key: value if isfinite(value) else None for key, value in row.items()} for row in rows]


def from_rows(rows: list[dict[str, float | None]]) -> list[Point]:
    return [Point(**{key: float("nan") if value is None else value for key, value in row.items()}) for row in rows]


class MlflowSink:
    """Sends points to an MLflow run. A server that is away must not end the training: points wait for the next report."""

    def __init__(self, client: "MlflowClient", run_id: str, warn: Callable[[str], None]) -> None:
        self._client, self._run, self._warn = client, run_id, warn
        self._waiting: list[tuple[Point, int]] = []
        self._warned = False

    @classmethod
    def open(cls, tracking: "Tracking", warn: Callable[[str], None]) -> "MlflowSink":
        from mlflow import MlflowClient

        return cls(MlflowClient(tracking.uri), tracking.run_id, warn)

    def __call__(self, points: list[Point]) -> None:
        from mlflow.entities import Metric

        self._waiting += [(point, time.time_ns() // 1_000_000) for point in points]
        while self._waiting:
            batch = self._waiting[:300]  # MLflow takes at most 1000 metrics at once
            values = [(key, getattr(point, key), stamp, point.step) for point, stamp in batch for key in METRICS]
            metrics = [Metric(*value) for value in values if isfinite(value[1])]  # MLflow turns inf into 1.8e308
            try:
                self._client.log_batch(self._run, metrics=metrics, synchronous=True)
            except Exception as error:  # MLflow passes on what its store raises: requests, SQLAlchemy, its own
                if not self._warned:
                    self._warn(f"MLflow took no metrics ({type(error).__name__}); training goes on, they are sent again later")
                self._warned = True
                return
            self._waiting = self._waiting[300:]
