"""What is live, what is stuck, what waits for a person, and whether MLflow follows: each with the command that mends it."""

import shutil
from pathlib import Path

import pytest

from llmops_pipelines.config.gate import Gate
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.promotion import promote
from llmops_pipelines.oncall.examinations import releases
from llmops_pipelines.resources.tracking import Tracking
from llmops_pipelines_tests.lifecycle.release.world import CATALOGUE, GATE, GOOD, FolderClient, candidate, world
from llmops_pipelines_tests.oncall.ward import Ward, said

NEWER = [score + 0.1 for score in GOOD]


@pytest.fixture
def moves(sick: Ward, monkeypatch) -> Moves:
    """What moves the quickstart's releases; its registry is a file that the doctor asks, too."""
    client = FolderClient(sick.home.folder / "registry.json")
    monkeypatch.setattr(Tracking, "client", lambda self: client)
    (sick.home.folder / "mlflow").mkdir()
    (sick.home.folder / "mlflow" / "ready").touch()
    registry = world(sick.home.folder, client, "quickstart").registry
    return Moves(sick.home.lake("quickstart"), sick.home.history("quickstart"), registry)


def test_without_a_release_it_says_how_to_make_one(sick: Ward):
    (found,) = sick.look(releases.examine)
    assert (found.severity, found.fix) == ("look", "llmops run quickstart")


def test_a_sound_release_that_mlflow_follows_is_fine(sick: Ward, moves: Moves):
    promote(moves, candidate(moves.lake), GATE, CATALOGUE)
    found = sick.look(releases.examine)
    assert {each.severity for each in found} == {"fine"}
    assert said(found, "release 1").sentence.startswith("it is live since ")


def test_a_release_whose_part_is_gone_names_one_to_go_back_to(sick: Ward, moves: Moves):
    promote(moves, candidate(moves.lake, "first"), GATE, CATALOGUE)
    assert promote(moves, second := candidate(moves.lake, "second", NEWER), GATE, CATALOGUE).facts["outcome"] == "promoted"
    shutil.rmtree(second.parts["checkpoint"].path)
    found = said(sick.look(releases.examine), "release 2")
    assert found.severity == "wrong" and "cannot answer" in found.sentence
    assert found.fix.startswith("llmops release rollback quickstart --to 1 ")


def test_a_moved_alias_is_wrong(sick: Ward, moves: Moves):
    promote(moves, candidate(moves.lake, "first"), GATE, CATALOGUE)
    promote(moves, candidate(moves.lake, "second", NEWER), GATE, CATALOGUE)
    moves.registry().client.set_registered_model_alias("quickstart", "champion", "1")
    found = said(sick.look(releases.examine), "MLflow")
    assert (found.severity, found.fix) == ("wrong", "llmops release recover quickstart --yes")


def test_a_killed_promotion_is_wrong_and_one_that_waits_is_not(sick: Ward, moves: Moves):
    manual = Gate(minimum=0.3, approval="manual")
    promote(moves, candidate(moves.lake, "first"), manual, CATALOGUE)
    waits = said(sick.look(releases.examine), "release 1")
    assert (waits.severity, waits.fix) == ("look", "llmops release approve quickstart 1")
    moves.history.mark(1, "approved", actor="ann", why="")
    stuck = said(sick.look(releases.examine), "release 1")
    assert (stuck.severity, stuck.fix) == ("wrong", "llmops release recover quickstart --yes")


def test_a_refused_candidate_says_what_was_missing(sick: Ward, moves: Moves):
    moves.lake.point(promote(moves, candidate(moves.lake), Gate(minimum=0.9), CATALOGUE))
    found = next(each for each in sick.look(releases.examine) if "not promoted" in each.sentence)
    assert found.severity == "look" and "fail: token_f1 of the candidate is at least 0.9" in found.sentence


def test_mlflow_that_fails_or_is_gone_is_a_finding(sick: Ward, moves: Moves, monkeypatch):
    promote(moves, candidate(moves.lake), GATE, CATALOGUE)

    def down(self):
        raise RuntimeError("database is locked")

    monkeypatch.setattr(Tracking, "client", down)
    assert "RuntimeError: database is locked" in said(sick.look(releases.examine), "MLflow").sentence
    (sick.home.folder / "mlflow" / "ready").unlink()
    assert "its database is gone" in said(sick.look(releases.examine), "MLflow").sentence
    assert not Path(sick.home.folder / "mlflow" / "mlflow.db").exists()
