"""A file whose parser was stopped is tried again after longer and longer pauses; a file that changes starts anew."""

import os
import re
import signal
from pathlib import Path

import pytest

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.corpus import retries, work
from llmops_pipelines.lifecycle.corpus.cleaners import cleaning
from llmops_pipelines.lifecycle.corpus.formats import parsers
from llmops_pipelines.lifecycle.corpus.retries import MOST, PAUSE, Retries, next_retry
from llmops_pipelines.lifecycle.lake import Lake

from .formats.small_files import Corpus, prose

ASSET = "parsed_documents/handbook"
FILES = frozenset(("bad", "worse"))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path, "product")


def run(lake: Lake, now: float, stopped: set[str], there: frozenset[str] | set[str] = FILES) -> dict[str, int]:
    """One run of the stage: which attempt each file is at."""
    retries = Retries.of(lake, ASSET)
    attempts = retries.attempts(now)
    retries.note(stopped, there, attempts, now)
    return attempts


def test_pauses_grow_and_end(lake):
    now, numbers = 0.0, []
    run(lake, now, {"bad"})
    for attempt in range(1, MOST + 3):
        assert run(lake, now + 1, {"bad"}).get("bad", 0) == min(attempt - 1, MOST), "not before the pause is over"
        now += PAUSE * 4**attempt + 2
        numbers.append(run(lake, now, {"bad"})["bad"])
    assert numbers == [1, 2, 3, 4, 5, 5, 5]
    assert next_retry(lake, "handbook") is None


def test_the_attempt_that_went_well_stays_the_one_to_read(lake):
    run(lake, 0.0, {"bad", "worse"})
    assert run(lake, PAUSE + 1, {"worse"}) == {"bad": 1, "worse": 1}
    assert run(lake, PAUSE + 2, {"worse"}) == run(lake, 100 * PAUSE, {"worse"}) | {"worse": 1} == {"bad": 1, "worse": 1}
    assert Retries.of(lake, ASSET).due.keys() == {"worse"}, "nothing is left to try with the other one"


def test_a_file_that_is_gone_is_forgotten(lake):
    run(lake, 0.0, {"bad", "worse"})
    run(lake, PAUSE + 1, {"worse"}, there={"worse"})
    assert Retries.of(lake, ASSET).made == {"worse": 1}


def test_nothing_due_is_the_same_work_as_before(lake):
    """The numbers are part of the step's fingerprint: while nothing is due they must not change."""
    run(lake, 0.0, {"bad"})
    assert run(lake, 10.0, {"bad"}) == run(lake, 20.0, {"bad"}) == {}
    assert next_retry(lake, "handbook") == PAUSE


def parse(path: str, *more):
    return _unless_told_to_crash(Path(path).read_text()) or parsers.parse(path, *more)


def prepare_many(items: list, settings):
    return _unless_told_to_crash(" ".join(text for _, text, _ in items)) or cleaning.prepare_many(items, settings)


def _unless_told_to_crash(text: str) -> None:
    """A text can name a file that kills whoever reads the text while it is there: what a machine short of memory does."""
    for told in re.findall(r"/[^ ]+/crash_now", text):
        if Path(told).exists():
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["parser", "cleaner"])
def test_what_was_stopped_once_is_read_later_and_stays_read(tmp_path, monkeypatch, who):
    function, place, name = (parse, work.parsers, "parse") if who == "parser" else (prepare_many, work.cleaning, "prepare_many")
    monkeypatch.setattr(place, name, function)
    monkeypatch.setattr(retries, "PAUSE", 0.0)
    made = Corpus(tmp_path)
    made.write("fine.md", prose("harbour"))
    made.write("hard.txt", f"{prose('radio')} {tmp_path}/crash_now .")
    (tmp_path / "crash_now").touch()
    assert made.ledger(made.read())["hard.txt"] == ("quarantined", f"{who}_crashed")
    assert next_retry(made.lake, "handbook")
    (tmp_path / "crash_now").unlink()
    second = made.read()
    assert made.ledger(second)["hard.txt"] == ("indexed", "")
    assert next_retry(made.lake, "handbook") is None
    assert made.read().digest == second.digest and made.parse().reused
    made.write("other.md", prose("ticket"))
    third = made.read()
    assert made.ledger(third)["hard.txt"] == ("indexed", ""), "the failure before it is not read again"
    assert made.parse().facts["parsed"] == 1


@pytest.mark.slow
def test_a_source_that_stops_the_run_is_tried_again_too(tmp_path, monkeypatch):
    monkeypatch.setattr(work.parsers, "parse", parse)
    monkeypatch.setattr(retries, "PAUSE", 0.0)
    made = Corpus(tmp_path)
    made.write("hard.txt", f"{prose('radio')} {tmp_path}/crash_now .")
    (tmp_path / "crash_now").touch()
    with pytest.raises(corpus.CorpusError, match="1 of 1 documents cannot be read"):
        made.read()
    (tmp_path / "crash_now").unlink()
    assert made.ledger(made.read())["hard.txt"] == ("indexed", "")
