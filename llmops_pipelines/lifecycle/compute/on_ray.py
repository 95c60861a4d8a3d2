"""Stage functions under Ray Data, on the cluster that this process is connected to (resources/compute.py connects it).

Batches go there in windows: a window is one dataset, so that this process holds one window and no more.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from . import Stage

if TYPE_CHECKING:
    import pyarrow as pa

WINDOW = 256  # batches


class OnRay:
    """Workers are reused from window to window, so a model that a stage function keeps per process is loaded once in each."""

    def map(self, stage: Stage, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        rest = iter(batches)
        while window := list(islice(rest, WINDOW)):
            yield from _run(stage, window)


def _run(stage: Stage, window: "list[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa
    import ray

    def on_table(table: pa.Table) -> pa.Table:
        return pa.Table.from_batches([stage(batch) for batch in table.combine_chunks().to_batches()])

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    data = ray.data.from_arrow([pa.Table.from_batches([batch]) for batch in window])
    done = data.map_batches(on_table, batch_format="pyarrow", batch_size=None, zero_copy_batch=True)
    for made in done.iter_batches(batch_format="pyarrow", batch_size=None):
        yield from made.combine_chunks().to_batches()
