"""Where bulk work runs: in this process, on this machine's cores, or on a Ray cluster. The stage functions are the same."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from .local import Local
from .worker import WorkerLost

if TYPE_CHECKING:
    import pyarrow as pa

Stage = Callable[["pa.RecordBatch"], "pa.RecordBatch"]


class Compute(Protocol):
    """Runs a stage function over record batches."""

    def map(self, stage: Stage, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        """The result of each batch, in order; few batches are under way at once. `stage` can be pickled."""


class Here:
    """In this process, one batch after the other."""

    def map(self, stage: Stage, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        return map(stage, batches)


HERE = Here()

__all__ = ["HERE", "Compute", "Here", "Local", "Stage", "WorkerLost"]
