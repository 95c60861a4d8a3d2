"""Stage functions on this machine's cores: one worker process per core, fed batch by batch. Little work stays in this process.

Workers are spawned, not forked (this process may hold threads of torch or Dagster), and end with it, whatever ends it.
"""

import pickle
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from queue import LifoQueue
from typing import TYPE_CHECKING
from weakref import finalize

from . import cores
from .worker import Worker

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    import pyarrow as pa

    from . import Stage

START_SECONDS = 4.0  # what a worker that loads a model costs before its first result


class Local:
    """Runs stage functions in `workers` processes (default: one per core that this process may use), `threads` in each.

    Batches are worked on in this process until that took `patience` seconds; by then workers would have paid for their
    start, and they take over. So nothing is ever much slower than the better of the two. They are kept from map to map,
    until `close`, the end of the `with` block, or the end of this object.
    """

    def __init__(self, workers: int | None = None, threads: int = 1, patience: float = START_SECONDS) -> None:
        self.workers = workers or cores.usable()
        self.threads = threads
        self._patience = patience if self.workers > 1 else float("inf")
        self._idle: LifoQueue[Worker] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._end = finalize(self, lambda: None)

    def __enter__(self) -> "Local":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers. Those in the middle of a batch are not waited for."""
        self._end()
        self._idle = self._pool = None

    def map(self, stage: "Stage", batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        """The result of each batch, in order; at most two batches per worker are under way or waiting to be taken.

        The first error ends the map. Raises WorkerLost when a worker was killed.
        """
        rest = iter(batches)
        while self._patience > 0:
            if (batch := next(rest, None)) is None:
                return
            began = time.monotonic()
            made = stage(batch)
            self._patience -= time.monotonic() - began
            yield made
        ahead = list(islice(rest, 2))
        if len(ahead) < 2:
            yield from map(stage, ahead)
        else:
            yield from self._spread(stage, chain(ahead, rest))

    def _spread(self, stage: "Stage", batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        packed = pickle.dumps(stage)
        self._start()
        waiting: deque[Future] = deque()
        try:
            for batch in batches:
                waiting.append(self._pool.submit(_ask, self._idle, packed, batch))
                if len(waiting) >= 2 * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:  # an error, or a caller who wants no more: what is under way is of no use
            self.close()
            raise

    def _start(self) -> None:
        if self._pool is not None:
            return
        from concurrent.futures import ThreadPoolExecutor

        started = [Worker(self.threads) for _ in range(self.workers)]
        self._idle = LifoQueue()
        for worker in started:
            self._idle.put(worker)
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="compute")
        self._end = finalize(self, _stop, started, self._pool)


def _ask(idle: "LifoQueue[Worker]", stage: bytes, batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Runs in a thread of this process: one batch to a free worker, its answer back."""
    worker = idle.get()
    try:
        return worker.ask(stage, batch)
    finally:
        idle.put(worker)


def _stop(workers: list[Worker], pool: "ThreadPoolExecutor") -> None:
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.stop()
