"""Ties the training processes to the process that started them, and keeps two from working in one folder.

`main` takes the lock, asks the kernel to be killed with its parent, and becomes the wanted command, which keeps both.
Without this a killed Dagster run leaves torchrun training for ever.
"""

import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .refusals import TrainingError

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; survives exec, fires when the thread that started this process ends


def die_with_parent(parent: int) -> None:
    """Be killed (SIGKILL) when the process `parent` that started this one ends; leave now if it has. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not alive(parent):
        sys.exit(f"process {parent}, which wanted this training, is gone")


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def take(path: Path, seconds: float = 0) -> int:
    """An open file that holds the lock `path`, our process number written into it. Waits up to `seconds`.

    Raises `TrainingError` naming the process that holds it. The lock is free when the last holder ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                raise TrainingError(
                    f"{path.parent}: process {holder(path)} is training there; wait until it ends or stop it, then run again"
                ) from None
            time.sleep(0.05)
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle


def holder(path: Path) -> int:
    """The process number in a lock file, 0 if none was written yet."""
    return int(path.read_text().strip() or 0)


@contextmanager
def hold(path: Path, seconds: float = 0) -> Iterator[None]:
    handle = take(path, seconds)
    try:
        yield
    finally:
        os.close(handle)


def command(lock: Path, wanted: list[str]) -> list[str]:
    """The command line that runs `wanted` under this guard, bound to the calling process."""
    start = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
    return [sys.executable, "-c", start, str(lock), str(os.getpid()), *wanted]


def main(lock: str, parent: str, *wanted: str) -> None:
    die_with_parent(int(parent))
    try:
        handle = take(Path(lock), seconds=20)  # a killed predecessor may need a moment to be gone
    except TrainingError as error:
        sys.exit(str(error))
    os.set_inheritable(handle, True)
    os.execv(wanted[0], wanted)
