"""A file whose parser was stopped is tried again after longer and longer pauses; a file that changes starts anew."""

import pytest

from llmops_pipelines.lifecycle.corpus.retries import MOST, PAUSE, Retries, next_retry
from llmops_pipelines.lifecycle.lake import Lake

ASSET = "parsed_documents/handbook"


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path, "product")


def run(lake: Lake, now: float, stopped: set[str]) -> dict[str, int]:
    """One run of the stage: which attempt each file is at."""
    retries = Retries.of(lake, ASSET)
    attempts = retries.attempts(now)
    retries.note(stopped, attempts, now)
    return attempts


def test_pauses_grow_and_end(lake):
    now, numbers = 0.0, []
    run(lake, now, {"bad"})
    for attempt in range(1, MOST + 3):
        assert run(lake, now + 1, {"bad"}).get("bad") == min(attempt - 1, MOST), "not before the pause is over"
        now += PAUSE * 4**attempt + 2
        numbers.append(run(lake, now, {"bad"})["bad"])
    assert numbers == [1, 2, 3, 4, 5, 5, 5]
    assert next_retry(lake, "handbook") is None


def test_what_went_well_is_forgotten(lake):
    run(lake, 0.0, {"bad", "worse"})
    assert run(lake, PAUSE + 1, {"worse"}) == {"bad": 1, "worse": 1}
    assert Retries.of(lake, ASSET).made == {"worse": 1}


def test_nothing_due_is_the_same_work_as_before(lake):
    """The numbers are part of the step's fingerprint: while nothing is due they must not change."""
    run(lake, 0.0, {"bad"})
    assert run(lake, 10.0, {"bad"}) == run(lake, 20.0, {"bad"}) == {"bad": 0}
    assert next_retry(lake, "handbook") == PAUSE
