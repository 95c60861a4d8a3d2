"""Killable child processes for foreign files and texts. A file that crashes, hangs or grows ends its child, never the run.

Functions sent here are module-level, take plain values and return plain values. The child's side is in child.py.
"""

import contextlib
import pickle
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..sources import CorpusError
from .child import UNUSABLE, Refused, bounded
from .worker import Worker, more_text_than

__all__ = ["Limits", "Outcome", "Pool", "Refused", "bounded"]

FILES_PER_WORKER = 32  # a second worker costs half a second of start and imports
TASKS_PER_WORKER = 5_000  # then a fresh one starts
UNDER_WAY = 32  # tasks per worker whose outcomes are not taken yet
MOST_TIMES = 2  # a child counts texts and titles itself; names of rows and words in place of personal data come on top
HELD_BYTES = 64 * 2**20  # of outcomes that wait for an earlier one; more stop the sending of tasks


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


@dataclass(eq=False)
class Ticket:
    """A task on its way: pickled, with its outcome and the size of that once it is known."""

    message: bytes
    outcome: Outcome | None = None
    held: int = 0
    tries: int = 0


class Pool:
    """Workers that start with the first task and end with the `with` block. Several `run`s may be under way at once.

    Workers are new Python processes, not forks: the parent may hold threads of torch or Dagster, and its memory and
    environment are not for parsers. The clock of a task starts when its worker starts on it.
    """

    def __init__(self, tasks: int, limits: Limits) -> None:
        from ...compute.cores import usable

        self._most = max(1, min(usable(), tasks // FILES_PER_WORKER + 1))
        self._limits = limits
        self._workers: list[Worker[Ticket]] = []
        self._queue: deque[Ticket] = deque()
        self._held = 0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._workers):
            self._end(worker)
        self._selector.close()

    def run(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Outcome]:
        """`function(*task)` for each task, outcomes in order. Few tasks are under way at once, so memory stays bounded."""
        waiting: deque[Ticket] = deque()
        for task in tasks:
            waiting.append(Ticket(pickle.dumps((function, task, self._limits.seconds), protocol=5)))
            self._queue.append(waiting[-1])
            while len(waiting) >= UNDER_WAY * self._most:
                yield self._take(waiting.popleft())
        while waiting:
            yield self._take(waiting.popleft())

    def _take(self, ticket: Ticket) -> Outcome:
        """Raises `CorpusError` when the machine is at fault: that is no verdict on a document and must not be kept."""
        while ticket.outcome is None:
            self._turn()
        self._held -= ticket.held
        if ticket.outcome.reason == UNUSABLE:
            detail = ticket.outcome.detail
            raise CorpusError(f"documents cannot be read on this machine: {detail}; mend it and run again")
        return ticket.outcome

    def _turn(self) -> None:
        """Send tasks, wait until something happens, and take in what did."""
        self._assign()
        patience = max(0.0, min((worker.deadline for worker in self._workers), default=0.0) - time.monotonic())
        for key, events in self._selector.select(min(patience, 1.0)):
            worker = key.data
            if worker not in self._workers:  # buried by what its other pipe said
                continue
            if events & selectors.EVENT_WRITE:
                worker.write()
                self._watch(worker)
            elif not worker.read(self._limits.memory_bytes):
                self._bury(worker, self._cause_of_death(worker))
        for worker in list(self._workers):
            for message, size in worker.messages():
                self._finish(worker, message, size)
            if worker.deadline <= time.monotonic():
                self._bury(worker, Outcome(reason="timed_out", detail="stopped at the time limit"))
            elif worker.worn and not worker.tickets:
                self._end(worker)

    def _assign(self) -> None:
        while self._queue and (self._held < HELD_BYTES or not any(worker.tickets for worker in self._workers)):
            worker = min((w for w in self._workers if w.room), key=lambda w: len(w.tickets), default=None)
            if (worker is None or worker.tickets) and len(self._workers) < self._most:
                worker = self._start()
            if worker is None:
                return
            ticket = self._queue.popleft()
            worker.send(ticket, ticket.message)
            self._watch(worker)

    def _start(self) -> "Worker[Ticket]":
        worker: Worker[Ticket] = Worker(self._limits.memory_bytes, self._limits.seconds, TASKS_PER_WORKER)
        self._workers.append(worker)
        self._selector.register(worker.results, selectors.EVENT_READ, worker)
        return worker

    def _watch(self, worker: "Worker[Ticket]") -> None:
        """Wake up for a pipe that takes more of a task only while there is more of it."""
        registered = worker.tasks in self._selector.get_map()
        if worker.unsent and not registered:
            self._selector.register(worker.tasks, selectors.EVENT_WRITE, worker)
        elif registered and not worker.unsent:
            self._selector.unregister(worker.tasks)

    def _finish(self, worker: "Worker[Ticket]", message: tuple[Any, str, str, bool], size: int) -> None:
        ticket = worker.done()
        value, reason, detail, worn = message
        fresh = worker.finished == 1
        worker.worn = worker.worn or worn
        if reason == "out_of_memory" and not fresh and not ticket.tries:  # an earlier file may have left it little
            ticket.tries += 1
            self._queue.appendleft(ticket)
        elif more_text_than(MOST_TIMES * self._limits.characters, value):
            detail = f"far more characters come out than the limit of {self._limits.characters}"
            self._close(ticket, Outcome(reason="failed", detail=detail))
        else:
            self._close(ticket, Outcome(value, reason, detail), size)

    def _close(self, ticket: Ticket, outcome: Outcome, size: int = 0) -> None:
        ticket.outcome, ticket.held, ticket.message = outcome, size, b""
        self._held += size

    def _bury(self, worker: "Worker[Ticket]", why: Outcome) -> None:
        """The first of its tasks is to blame, tried once more: the machine may be at fault. The others were not begun."""
        for message, size in worker.messages():
            self._finish(worker, message, size)
        if not worker.ready:
            self._end(worker)
            raise CorpusError(f"child processes do not start: {why.detail}; mend the Python environment and run again")
        if worker.tickets and worker.tickets[0].tries:
            self._close(worker.tickets.popleft(), why)
        elif worker.tickets:
            worker.tickets[0].tries += 1
        self._queue.extendleft(reversed(worker.tickets))
        self._end(worker)

    def _cause_of_death(self, worker: "Worker[Ticket]") -> Outcome:
        number = -worker.wait()
        if number == signal.SIGXCPU:
            return Outcome(reason="timed_out", detail="stopped at the time limit")
        name = signal.Signals(number).name if number in set(signal.Signals) else f"exit code {-number}"
        return Outcome(reason="crashed", detail=f"the child process ended with {name}")

    def _end(self, worker: "Worker[Ticket]") -> None:
        self._workers.remove(worker)
        for pipe in (worker.tasks, worker.results):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(pipe)
        worker.kill()
