"""Killable child processes for foreign files and texts. A file that crashes, hangs or grows ends its child, never the run.

Functions sent here are module-level, take plain values and return plain values.
"""

import errno
import os
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .sources import CorpusError

UNUSABLE = "unusable"  # the machine is at fault, not the file: a library is missing, a disk is full
KILLED = ("crashed", "timed_out")  # may be the machine's fault (memory, load): tried once more

FILES_PER_WORKER = 32  # a second worker costs a second of imports
TASKS_PER_WORKER = 500  # then a fresh one starts: parsers leak
FILE_BYTES = 128 * 2**20  # py3langid unpacks its model (68 MB) through a temporary file
ENVIRONMENT = (errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EIO)


@dataclass(frozen=True)
class Limits:
    """What one file may cost. Raising a limit makes files that were quarantined by it be tried again."""

    seconds: float = 30.0
    memory_bytes: int = 2**30
    characters: int = 20_000_000  # of text that comes out


@dataclass(frozen=True)
class Outcome:
    """`value` when it went well, else `reason` (failed, crashed, timed_out, out_of_memory) and a short `detail`."""

    value: Any = None
    reason: str = ""
    detail: str = ""


class Refused(Exception):
    """A parser's own verdict on a file. The message holds no text of the document."""


class Pool:
    """Workers that start with the first task and end with the `with` block.

    They are spawned, not forked: the parent may hold threads of torch or Dagster, and its memory is not for parsers.
    """

    def __init__(self, tasks: int, limits: Limits) -> None:
        self._workers = max(1, min(os.cpu_count() or 1, tasks // FILES_PER_WORKER + 1))
        self._limits = limits
        self._pool = None

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if self._pool is not None:
            if failed is None:
                self._pool.close()
            else:
                self._pool.stop()
            self._pool.join()

    def run(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Outcome]:
        """`function(*task)` for each task, outcomes in order. Few tasks are under way at once, so memory stays bounded."""
        waiting: list[tuple[tuple[Any, ...], Any]] = []
        for task in tasks:
            waiting.append((task, self._schedule(function, task)))
            if len(waiting) >= 4 * self._workers:
                yield self._finish(function, *waiting.pop(0))
        for task, future in waiting:
            yield self._finish(function, task, future)

    def _schedule(self, function: Callable[..., Any], task: tuple[Any, ...]):
        if self._pool is None:
            from multiprocessing import get_context

            from pebble import ProcessPool

            self._pool = ProcessPool(
                max_workers=self._workers,
                max_tasks=TASKS_PER_WORKER,
                initializer=_confine,
                initargs=(self._limits.memory_bytes,),
                context=get_context("spawn"),
            )
        return self._pool.schedule(_guarded, args=(function, task, self._limits.seconds), timeout=self._limits.seconds)

    def _finish(self, function: Callable[..., Any], task: tuple[Any, ...], future: Any) -> Outcome:
        outcome = _outcome(future)
        return _outcome(self._schedule(function, task)) if outcome.reason in KILLED else outcome


def _outcome(future: Any) -> Outcome:
    """Raises `CorpusError` when the machine is at fault: that is no verdict on a document and must not be kept."""
    from pebble import ProcessExpired

    try:
        outcome = Outcome(*future.result())
        if outcome.reason == UNUSABLE:
            raise CorpusError(f"documents cannot be read on this machine: {outcome.detail}; mend it and run again")
        return outcome
    except BrokenProcessPool as error:
        raise CorpusError(
            "child processes do not start; a script that calls this needs its code under if __name__ == '__main__'"
        ) from error
    except TimeoutError:
        return Outcome(reason="timed_out", detail="stopped at the time limit")
    except ProcessExpired as error:
        number = -(error.exitcode or 0)
        if number == signal.SIGXCPU:
            return Outcome(reason="timed_out", detail="stopped at the time limit")
        name = signal.Signals(number).name if number in set(signal.Signals) else f"exit code {error.exitcode}"
        return Outcome(reason="crashed", detail=f"the child process ended with {name}")


def _confine(memory_bytes: int) -> None:
    """Runs in the child: no secrets, no large files, no core dump, bounded memory above what Python itself needs."""
    import logging
    import sys
    import warnings

    os.environ.clear()
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    sys.dont_write_bytecode = True
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    address_space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for kind, limit in (
        (resource.RLIMIT_AS, address_space + memory_bytes),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, hard))


def _guarded(function: Callable[..., Any], task: tuple[Any, ...], seconds: float) -> tuple[Any, str, str]:
    """Runs in the child: one task with its own share of processor time, every exception as an outcome."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    # The clock of the parent comes first; this one ends a child whose parent was killed.
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    try:
        return function(*task), "", ""
    except MemoryError:
        return None, "out_of_memory", "stopped at the memory limit"
    except Refused as error:
        return None, "failed", str(error)
    except ImportError as error:
        return None, UNUSABLE, str(error)
    except OSError as error:
        return None, UNUSABLE if error.errno in ENVIRONMENT else "failed", bounded(error)
    except Exception as error:  # whatever a parser raises on a foreign file is a property of that file
        return None, "failed", bounded(error)


def bounded(error: BaseException) -> str:
    """The library's message in at most 160 characters, without what it quotes from the document."""
    import re

    message = re.sub(r"""b?'[^']*'?|b?"[^"]*"?""", "[...]", str(error))
    message = re.sub(r"[^\x20-\x7e]+", " ", message)
    return f"{type(error).__name__}: {message}"[:160].rstrip(": ")
