"""A task that crashes, hangs, grows or fails is an outcome; the others are not touched by it."""

import contextlib
import fcntl
import os
import pickle
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from llmops_pipelines.lifecycle.corpus.children.child import LENGTH
from llmops_pipelines.lifecycle.corpus.children.pool import Limits, Outcome, Pool, Refused, bounded
from llmops_pipelines.lifecycle.corpus.sources import CorpusError

pytestmark = pytest.mark.slow


def act(what: str) -> str:
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "hang":
        time.sleep(60)
    if what == "grow":
        bytearray(2**30)
    if what == "fail":
        raise ValueError("bad token 'a text of the document' at 7")
    if what == "refuse":
        raise Refused("encrypted")
    if what == "secret":
        return Path("/proc/self/environ").read_text() + os.environ.get("HOME", "no environment")
    if what == "call":
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    if what == "shell":
        os.system("true")
    if what == "object":
        return Path("no plain value")
    return what


def test_every_end_of_a_task_is_an_outcome():
    with Pool(8, Limits(seconds=0.5, memory_bytes=200 * 2**20)) as pool:
        tasks = ["fine", "crash", "grow", "fail", "hang", "refuse", "secret", "last"]
        outcomes = dict(zip(tasks, pool.run(act, [(task,) for task in tasks]), strict=True))
    assert outcomes["fine"] == Outcome("fine") and outcomes["last"] == Outcome("last")
    assert outcomes["crash"] == Outcome(None, "crashed", "the child process ended with SIGSEGV")
    assert outcomes["hang"].reason == "timed_out"
    assert outcomes["grow"].reason == "out_of_memory"
    assert outcomes["fail"] == Outcome(None, "failed", "ValueError: bad token [...] at 7")
    assert outcomes["refuse"] == Outcome(None, "failed", "encrypted")
    assert outcomes["secret"] == Outcome("no environment")


def double(number: int) -> int:
    return 2 * number


def test_outcomes_keep_the_order_of_the_tasks_while_workers_are_replaced(monkeypatch):
    monkeypatch.setattr("llmops_pipelines.lifecycle.corpus.children.pool.TASKS_PER_WORKER", 6)
    with Pool(100, Limits()) as pool:
        assert [outcome.value for outcome in pool.run(double, ((n,) for n in range(10)))] == list(range(0, 20, 2))


def missing_library() -> None:
    raise ImportError("no library pypdf")


def test_a_broken_machine_is_no_verdict_on_a_document():
    with pytest.raises(CorpusError, match="no library pypdf"), Pool(1, Limits()) as pool:
        list(pool.run(missing_library, [()]))


def test_messages_are_short_and_quote_nothing():
    message = bounded(ValueError("b'secret' \"secret\" \u00e9 " + "x" * 500))
    assert len(message) <= 160 and "secret" not in message and message.isascii()


def test_the_network_and_the_shell_are_no_place_for_parsers():
    with Pool(1, Limits()) as pool:
        outcomes = list(pool.run(act, [("call",), ("shell",)]))
    assert [outcome.detail for outcome in outcomes] == [
        "PermissionError: [Errno 1] socket.getaddrinfo is not for parsers",
        "PermissionError: [Errno 1] os.system is not for parsers",
    ]


def test_what_a_child_says_is_never_more_than_plain_values():
    with Pool(1, Limits()) as pool:
        lied, fine = pool.run(act, [("object",), ("fine",)])
    assert (lied.reason, fine) == ("crashed", Outcome("fine"))


def test_tasks_sent_ahead_of_a_crash_are_run_by_the_next_child():
    tasks = ["crash" if n % 20 == 3 else str(n) for n in range(40)]
    with Pool(8, Limits()) as pool:
        outcomes = [outcome.value or outcome.reason for outcome in pool.run(act, [(task,) for task in tasks])]
    assert outcomes == [task.replace("crash", "crashed") for task in tasks]


def test_a_run_may_begin_while_another_is_under_way():
    with Pool(100, Limits()) as pool:
        outer = pool.run(double, ((n,) for n in range(100)))
        found = [next(outer).value, *(o.value for o in pool.run(double, [(7,), (8,)])), next(outer).value]
    assert found == [0, 14, 16, 2]


def long(letters: int) -> str:
    return "x" * letters


def test_large_values_come_whole_and_values_without_end_are_refused():
    with Pool(8, Limits(memory_bytes=300 * 2**20, characters=40_000_000)) as pool:
        sizes = [10, 30_000_000, 200_000_000, 5_000_000]
        outcomes = list(pool.run(long, [(size,) for size in sizes]))
    assert [len(outcome.value) if outcome.value else outcome.reason for outcome in outcomes] == [
        10,
        30_000_000,
        "out_of_memory",
        5_000_000,
    ]


def repeated(letters: int) -> list[str]:
    return ["x" * letters] * 1_000


def knot() -> list:
    made: list = []
    made += [made] * 10
    return made


def test_text_that_a_small_message_repeats_without_end_is_refused():
    with Pool(1, Limits(characters=1_000_000)) as pool:
        large, fine = pool.run(repeated, [(10_000,), (1_000,)])
        (endless,) = pool.run(knot, [()])
    assert large == endless == Outcome(None, "failed", "far more characters come out than the limit of 1000000")
    assert fine.value == ["x" * 1_000] * 1_000


def lie(what: str) -> str:
    """Writes into the pipe of results, as code would that has taken the child over."""
    said = {"short": [("value", "")], "types": [("value", 7, "", False)], "much": [("value", "", "", False)] * 3, "no": []}[
        what
    ]
    for number in range(3, 10):
        with contextlib.suppress(OSError):
            if said and stat.S_ISFIFO(os.fstat(number).st_mode) and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(number, b"".join(LENGTH.pack(len(pickle.dumps(each))) + pickle.dumps(each) for each in said))
    return what


@pytest.mark.parametrize("what", ["short", "types", "much"])
def test_messages_that_our_code_does_not_send_end_the_child_and_not_the_run(what):
    with Pool(1, Limits(seconds=5)) as pool:
        (lied,) = pool.run(lie, [(what,)])
        (fine,) = pool.run(lie, [("no",)])
    assert (lied.value, lied.reason) == (("value", "") if what == "much" else (None, "crashed"))
    assert fine == Outcome("no")


def test_a_child_that_cannot_start_is_said_to_be_so(monkeypatch):
    monkeypatch.setattr("llmops_pipelines.lifecycle.corpus.children.worker.BOOT", "raise SystemExit(3)")
    with pytest.raises(CorpusError, match="do not start: the child process ended with exit code 3"), Pool(1, Limits()) as pool:
        list(pool.run(double, [(1,)]))


def test_time_that_the_caller_spends_is_not_the_time_of_a_task():
    with Pool(1, Limits(seconds=0.5)) as pool:
        for outcome in pool.run(double, ((n,) for n in range(3))):
            time.sleep(0.6)
            assert outcome.value is not None
