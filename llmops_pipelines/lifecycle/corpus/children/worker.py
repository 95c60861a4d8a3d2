"""The parent's end of one child process: its pipes, the tasks it was sent, and the clock of the one it works on."""

import contextlib
import fcntl
import io
import marshal
import os
import pickle
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from .child import BOOT, LENGTH, READY

SECONDS_TO_START = 60.0
SECONDS_TO_ARRIVE = 5.0
AHEAD = 16  # tasks sent before the first of them is done, so that the child never waits for the parent
QUICK = 0.05  # seconds; after a task that took longer only one is sent ahead: another worker may be free sooner
PIPE_BYTES = 2**20

T = TypeVar("T")


class Worker(Generic[T]):
    """One child process. `deadline`: when its present task, or its start, has taken too long."""

    def __init__(self, memory_bytes: int, seconds: float, tasks: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            process_group=0,  # Ctrl-C is for the parent, which ends its children
            bufsize=0,
        )
        self.tasks, self.results = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self.tasks, self.results):
            os.set_blocking(pipe, False)
            _widen(pipe)
        self.tickets: deque[T] = deque()
        self.finished = 0
        self.ready = self.worn = self.slow = False
        self.deadline = time.monotonic() + SECONDS_TO_START
        self._began = 0.0
        self._seconds, self._most = seconds, tasks
        self._patient = self._distrusted = False
        self._inbox = bytearray()
        self.unsent = bytearray(marshal.dumps((list(map(str, sys.path)), memory_bytes)))
        self.write()

    @property
    def room(self) -> bool:
        if self.worn or self.finished + len(self.tickets) >= self._most:
            return False
        return len(self.tickets) < (2 if self.slow or not self.ready else AHEAD)

    def send(self, ticket: T, message: bytes) -> None:
        if not self.tickets and self.ready:
            self._start_clock()
        self.tickets.append(ticket)
        self.unsent += LENGTH.pack(len(message)) + message
        self.write()

    def write(self) -> None:
        try:
            while self.unsent:
                del self.unsent[: os.write(self.tasks, self.unsent[:PIPE_BYTES])]
        except BlockingIOError:
            return
        except BrokenPipeError:  # dead; reading will tell
            self.unsent.clear()

    def read(self, most: int) -> bool:
        """Take in what there is. False when the child is gone, or says more than `most` bytes."""
        while len(self._inbox) <= most + LENGTH.size:
            try:
                part = os.read(self.results, PIPE_BYTES)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._inbox += part
            if len(part) < PIPE_BYTES:
                return True
        return False

    def messages(self) -> Iterator[tuple[Any, int]]:
        """Outcomes of the tickets (value, reason, detail, worn) and their sizes; the first message only says: ready."""
        if self._distrusted:  # what it said after that may belong to another task
            self._inbox.clear()
        while len(self._inbox) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._inbox)[0]
            if len(self._inbox) < end:
                self._wait_for_the_rest()
                return
            try:
                message = _Plain(io.BytesIO(self._inbox[LENGTH.size : end])).load()
            except Exception:  # a hostile pickle may raise anything
                self._distrust()
                return
            del self._inbox[:end]
            if self.ready:
                if not self.tickets or not _is_outcome(message):
                    self._distrust()
                    return
                yield message, end
            elif message == READY:
                self.ready = True
                self.deadline = float("inf")
                if self.tickets:
                    self._start_clock()

    def _distrust(self) -> None:
        """It said what our code does not say. A dead child is a case that the pool knows; it gets no more tasks."""
        self._process.kill()
        self._inbox.clear()
        self._distrusted = self.worn = True

    def _wait_for_the_rest(self) -> None:
        """A result that is on its way while the parent was busy elsewhere is not late. Once: a child could dribble."""
        if self.ready and not self._patient:
            self._patient = True
            self.deadline = max(self.deadline, time.monotonic() + SECONDS_TO_ARRIVE)

    def done(self) -> T:
        """The ticket whose outcome has come; the clock of the next one starts."""
        self.finished += 1
        self.worn = self.worn or self.finished >= self._most
        self.slow = time.monotonic() - self._began > QUICK
        ticket = self.tickets.popleft()
        if self.tickets:
            self._start_clock()
        else:
            self.deadline = float("inf")
        return ticket

    def _start_clock(self) -> None:
        self._began = time.monotonic()
        self.deadline = self._began + self._seconds
        self._patient = False

    def wait(self) -> int:
        """Exit code of a child that closed its pipe, or is made to end."""
        try:
            return self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class _Plain(pickle.Unpickler):
    """Plain values only: what a child says may be the work of a hostile file that took it over."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def _is_outcome(message: Any) -> bool:
    return type(message) is tuple and tuple(map(type, message[1:])) == (str, str, bool)


def more_text_than(most: int, value: Any) -> bool:
    """Whether the strings in it have more characters, each counted as often as it is there: a small message may repeat
    one text without end. So many entries of lists are too much as well: a list may hold itself."""
    entries, waiting = most, [value]
    while waiting and most >= 0 and entries >= 0:
        each = waiting.pop()
        if isinstance(each, str | bytes | bytearray):
            most -= len(each)
        elif isinstance(each, dict | list | tuple | set | frozenset):
            entries -= len(each)
            waiting += each.values() if isinstance(each, dict) else each
    return bool(waiting) or most < 0 or entries < 0


def _widen(pipe: int) -> None:
    with contextlib.suppress(OSError):  # a limit of the machine; slower without
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
