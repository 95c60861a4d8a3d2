"""What runs inside a child process of the pool: it confines itself, then answers tasks one by one until its pipe closes.

No secrets, no network where the kernel allows it, no large files, bounded memory and processor time.
"""

import errno
import gc
import os
import pickle
import resource
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

UNUSABLE = "unusable"  # the machine is at fault, not the file: a library is missing, a disk is full
READY = "ready"
FILE_BYTES = 128 * 2**20  # py3langid unpacks its model (68 MB) through a temporary file
ENVIRONMENT = (errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EIO)
QUIET = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
FORBIDDEN = frozenset(
    ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
)
LENGTH = struct.Struct("<Q")  # of a message, before it

BOOT = """
import marshal, os, sys
tasks = os.fdopen(os.dup(0), "rb"); results = os.fdopen(os.dup(1), "wb")
nothing = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(nothing, number)
sys.path[:], memory = marshal.load(tasks)
from llmops_pipelines.lifecycle.corpus.children.child import serve
serve(tasks, results, memory)
"""


class Refused(Exception):
    """A parser's own verdict on a file. The message holds no text of the document."""


def serve(tasks: BinaryIO, results: BinaryIO, memory_bytes: int) -> None:
    """Messages in: pickled (function, task, seconds). Messages out: pickled (value, reason, detail, worn)."""
    _confine(memory_bytes)
    spent = _address_space() + memory_bytes // 2
    _send(results, READY)
    known = 0
    while head := tasks.read(LENGTH.size):
        function, task, seconds = pickle.loads(tasks.read(LENGTH.unpack(head)[0]))
        value, reason, detail = _guarded(function, task, seconds)
        if len(sys.modules) > known:  # a task has imported something that need never be looked through for garbage
            known = len(sys.modules)
            gc.collect()
            gc.freeze()
        worn = reason == "out_of_memory" or _address_space() > spent  # libraries leak: the next file must not pay for it
        try:
            _send(results, (value, reason, detail, worn))
        except MemoryError:
            del value
            _send(results, (None, "out_of_memory", "stopped at the memory limit", True))


def _send(results: BinaryIO, message: Any) -> None:
    body = pickle.dumps(message, protocol=5)
    results.write(LENGTH.pack(len(body)))
    results.write(body)
    results.flush()


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _confine(memory_bytes: int) -> None:
    """Bounded memory above what Python itself needs; no core dump; nothing that a parser does reaches the network."""
    import logging
    import warnings

    os.environ.clear()
    os.environ.update(QUIET)
    sys.dont_write_bytecode = True
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    _leave_the_network()
    for kind, limit in (
        (resource.RLIMIT_AS, _address_space() + memory_bytes),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, hard))


def _leave_the_network() -> None:
    """A network namespace without devices, where the kernel permits it; an audit hook for Python code in any case."""
    trial = os.fork()  # a namespace that is half permitted must not be ours
    if trial == 0:
        try:
            _unshare()
            with tempfile.TemporaryFile():
                os._exit(0)
        except BaseException:
            os._exit(1)
    if os.waitpid(trial, 0)[1] == 0:
        _unshare()

    def refuse(event: str, _: tuple[Any, ...]) -> None:
        if event in FORBIDDEN:
            raise PermissionError(errno.EPERM, f"{event} is not for parsers")

    sys.addaudithook(refuse)


def _unshare() -> None:
    import ctypes

    unshare = ctypes.CDLL(None, use_errno=True).unshare
    if unshare(CLONE_NEWNET) == 0:
        return
    user, group = os.getuid(), os.getgid()
    if unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no namespaces")
    # without a map the child could not make a file
    for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", name).write_text(line)


def _guarded(function: Callable[..., Any], task: tuple[Any, ...], seconds: float) -> tuple[Any, str, str]:
    """One task with its own share of processor time, every exception as an outcome."""
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

    message = re.sub(r"""b?'[^']*'?|b?"[^"]*"?""", "[...]", str(error)[:2000])
    message = re.sub(r"[^\x20-\x7e]+", " ", message)
    return f"{type(error).__name__}: {message}"[:160].rstrip(": ")
