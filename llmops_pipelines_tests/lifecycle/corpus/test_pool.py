"""A task that crashes, hangs, grows or fails is an outcome; the others are not touched by it."""

import os
import signal
import time

import pytest

from llmops_pipelines.lifecycle.corpus.pool import Limits, Outcome, Pool, Refused, bounded
from llmops_pipelines.lifecycle.corpus.sources import CorpusError


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
        return os.environ.get("HOME", "no environment")
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
    monkeypatch.setattr("llmops_pipelines.lifecycle.corpus.pool.TASKS_PER_WORKER", 6)
    with Pool(1, Limits()) as pool:
        assert [outcome.value for outcome in pool.run(double, ((n,) for n in range(10)))] == list(range(0, 20, 2))


def missing_library() -> None:
    raise ImportError("no library pypdf")


def test_a_broken_machine_is_no_verdict_on_a_document():
    with pytest.raises(CorpusError, match="no library pypdf"), Pool(1, Limits()) as pool:
        list(pool.run(missing_library, [()]))


def test_messages_are_short_and_quote_nothing():
    message = bounded(ValueError("b'secret' \"secret\" \u00e9 " + "x" * 500))
    assert len(message) <= 160 and "secret" not in message and message.isascii()
