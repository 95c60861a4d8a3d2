"""`llmops release`: what would move is shown first, `--yes` moves it, mistakes are one sentence and an exit code."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from llmops_pipelines import releases
from llmops_pipelines.config.gate import Gate
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.promotion import promote
from llmops_pipelines_tests.lifecycle.release.world import CATALOGUE, GOOD, candidate, world

STAGED = Gate(minimum=0.3, enters="staging", base_models="any", stages={"production": {"approval": "manual"}})
COMMANDS = ("list", "show", "approve", "promote", "rollback", "recover")


@pytest.fixture
def moves(tmp_path) -> Moves:
    return world(tmp_path)


@pytest.fixture
def llmops(moves, project, monkeypatch):
    """Run a command over the product of `world.py`, whose releases enter staging and wait for approval in production."""
    product = SimpleNamespace(project=project, pipeline=SimpleNamespace(gate=STAGED))
    monkeypatch.setattr(releases, "_moves", lambda name: (product, moves))
    monkeypatch.setattr(releases.out, "width", 200)
    return lambda *arguments: CliRunner().invoke(releases.app, list(arguments))


@pytest.fixture
def two(moves) -> Moves:
    """Two releases in staging."""
    promote(moves, candidate(moves.lake, "first"), STAGED, CATALOGUE, "graph")
    promote(moves, candidate(moves.lake, "second", [score + 0.1 for score in GOOD]), STAGED, CATALOGUE, "graph")
    return moves


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_an_example(llmops, command):
    assert f"Example: llmops release {command}" in " ".join(llmops(command, "--help").output.split())


def test_releases_are_listed_with_what_is_live(llmops, two):
    shown = llmops("list", "shop").output.splitlines()
    assert shown[1].split()[:4] == ["*", "2", "staging", "committed"]
    assert shown[2].split()[:3] == ["1", "staging", "committed"]
    rows = json.loads(llmops("list", "shop", "--json").output)
    assert [(row["release"], row["live"], row["by"]) for row in rows] == [(2, True, "graph"), (1, False, "graph")]
    assert json.loads(llmops("list", "shop", "--stage", "dev", "--json").output) == []


def test_nothing_released_yet_names_the_way_out(llmops):
    assert "shop has no release yet; make one with: llmops run shop" in llmops("list", "shop").output
    result = llmops("show", "shop")
    assert (result.exit_code, "no release in production yet" in result.output) == (1, True)


def test_a_release_shows_its_parts_its_people_and_its_evidence(llmops, two):
    shown = llmops("show", "shop", "1").output
    for said in ("release 1 of shop", "graph", "fine_tuned_retrieval", "committed at ", "checkpoint", "pass: token_f1"):
        assert said in shown, said
    full = json.loads(llmops("show", "shop", "1", "--json").output)
    assert (full["phase"], full["evidence"]["verdict"]) == ("committed", "promote")
    assert llmops("show", "shop", "1", "--card").output.startswith("# shop, release 1\n")


def test_a_release_goes_to_production_when_a_person_promotes_and_another_approves(llmops, two):
    dry = llmops("promote", "shop", "2", "--to", "production")
    assert dry.exit_code == 0 and "Nothing was moved: release 2 would go to production, as its first release" in dry.output
    assert two.history.epochs() == [1, 2]
    done = llmops("promote", "shop", "2", "--to", "production", "--by", "ann", "--yes")
    assert (done.exit_code, "release 3 waits for approval: llmops release approve shop 3" in done.output) == (0, True)
    assert two.history.live() is None

    assert "Nothing was moved: release 3 would go to production" in llmops("approve", "shop", "3").output
    approved = llmops("approve", "shop", "3", "--by", "bob", "--why", "read the card", "--yes")
    assert "release 3 is committed: it is live in production as model version 2" in approved.output
    assert (two.history.live().actor, two.history.live().marks["approved"]["actor"]) == ("ann", "bob")
    assert "ann, approved by bob" in llmops("show", "shop").output


def test_a_gate_that_says_no_is_exit_1_with_its_reasons(llmops, two, monkeypatch):
    strict = STAGED.model_copy(update={"stages": {"production": Gate(minimum=0.9)}})
    product = SimpleNamespace(project=two.lake.root, pipeline=SimpleNamespace(gate=strict))
    monkeypatch.setattr(releases, "_moves", lambda name: (product, two))
    result = llmops("promote", "shop", "2", "--to", "production", "--yes")
    assert result.exit_code == 1
    assert "fail: token_f1 of the candidate is at least 0.9" in result.output
    assert "the gate of production says reject; nothing was moved" in result.output
    assert two.history.epochs() == [1, 2]


def test_a_rollback_is_shown_first_and_done_with_yes(llmops, two):
    dry = llmops("rollback", "shop", "--stage", "staging", "--why", "wrong prices")
    assert "Nothing was moved: release 1 would answer in staging again, instead of release 2" in dry.output
    assert two.history.live("staging").epoch == 2
    done = llmops("rollback", "shop", "--stage", "staging", "--why", "wrong prices", "--by", "ann", "--yes")
    assert "release 3 is live in staging: the bundle of release 1" in done.output
    assert (two.history.live("staging").why, two.differences()) == ("wrong prices", [])
    again = llmops("rollback", "shop", "--stage", "staging", "--why", "more", "--yes")
    assert again.exit_code == 1 and "name another with --to" in again.output


def test_a_rollback_needs_a_reason(llmops, two):
    assert llmops("rollback", "shop", "--yes").exit_code == 2


def test_recovery_tells_what_differs_and_mends_it(llmops, two):
    two.registry().client.set_registered_model_alias("shop", "staging", "1")
    dry = llmops("recover", "shop").output
    assert "names version 1 (release 1), but release 2 is live" in dry and "Nothing was moved" in dry
    assert "MLflow's alias of staging names release 2 again" in llmops("recover", "shop", "--yes").output
    assert "nothing to recover" in llmops("recover", "shop", "--yes").output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "shop", "7"), 1, "there is no release 7; the newest are: none yet"),
        (("list", "shop", "--stage", "prod"), 2, "stage: got 'prod'; expected one of dev, staging, production"),
        (("approve", "shop", "7"), 1, "there is no release 7"),
        (("rollback", "shop", "--why", "x"), 1, "shop has no release in production from before the live one"),
    ],
)
def test_mistakes_are_one_sentence(llmops, arguments, code, said):
    result = llmops(*arguments)
    assert (result.exit_code, said in " ".join(result.output.split())) == (code, True)


def test_an_unknown_pipeline_is_exit_2(monkeypatch, tmp_path, project):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    monkeypatch.chdir(project)
    result = CliRunner().invoke(releases.app, ["list", "quikstart"])
    assert result.exit_code == 2
    assert "did you mean quickstart?" in " ".join(result.output.split())
