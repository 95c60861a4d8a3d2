"""A release moves as one thing or not at all: killed with SIGKILL between any two steps, raced, without MLflow, and back."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import mlflow.exceptions  # noqa: F401  (before any fork)
import pytest

from llmops_pipelines.lifecycle.lake import files
from llmops_pipelines.lifecycle.release.history import Conflict, History, Release
from llmops_pipelines.lifecycle.release.moves import Impossible, Moves
from llmops_pipelines.lifecycle.release.promotion import Plan, carry_out, planned, promote
from llmops_pipelines.lifecycle.release.registry import RegistryUnavailable

from .world import CATALOGUE, GATE, GOOD, FolderClient, candidate, checkpoint, says, world


def plan(moves: Moves, model: str, **said) -> Plan:
    return planned(moves, candidate(moves.lake, model, **said), GATE, "production", CATALOGUE, "ann")


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> tuple[Path, Plan]:
    """A product with one release, and the plan of the second; copied by each test that moves it."""
    folder = tmp_path_factory.mktemp("product") / "shop"
    moves = world(folder)
    carry_out(moves, plan(moves, "first"))
    return folder, plan(moves, "second")


@pytest.fixture
def moves(started, tmp_path) -> Moves:
    return _copied(started[0], tmp_path / "shop")


@pytest.fixture
def second(started) -> Plan:
    return started[1]


def _copied(folder: Path, to: Path) -> Moves:
    shutil.copytree(folder, to)
    return world(to)


def sound(moves: Moves) -> Release:
    """The live release, after checking that nothing is half done and that MLflow says the same."""
    live = moves.history.live()
    assert moves.history.unfinished() == []
    assert moves.differences() == []
    assert moves.registry().holder().bundle == live.bundle
    assert moves.missing(live) == ""
    return live


STEPS = ("create_model_version", "log_model_artifacts", "set_model_version_tag", "set_registered_model_alias")


def in_a_child(work: Callable[[], object], survives: int | None = None) -> int:
    """Run `work` in a forked process, killed with SIGKILL before its durable step number `survives`. Returns how it ended:
    0, 3 for a conflict, or the negative signal."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        left = iter(range(survives)) if survives is not None else count()

        def dying(function):
            def step(*args, **said):
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*args, **said)

            return step

        files.write_once = dying(files.write_once)
        for name in STEPS:
            setattr(FolderClient, name, dying(getattr(FolderClient, name)))
        work()
        os._exit(0)
    except (Conflict, Impossible):
        os._exit(3)
    finally:
        os._exit(4)


def killed_everywhere(folder: Path, tmp_path: Path, work: Callable[[Moves], object]):
    """The product after a process that did `work` was killed at its first step, its second, and so on."""
    for step in count():
        moves = _copied(folder, tmp_path / f"killed-{step}")
        ended = in_a_child(lambda moves=moves: work(moves), step)
        if ended == 0:
            assert step >= 4, "the steps were not counted"
            return
        assert ended == -signal.SIGKILL
        yield moves


def test_a_promotion_killed_anywhere_is_finished_or_leaves_no_trace(started, tmp_path):
    folder, second = started
    seen = set()
    for moves in killed_everywhere(folder, tmp_path, lambda moves: carry_out(moves, second)):
        assert moves.history.live().epoch in (1, 2), "somebody always answers"
        moves.recover()
        live = sound(moves)
        assert live.epoch == max(moves.history.epochs()), "what has a record is finished"
        seen.add(live.epoch)
        assert moves.recover() == []
        if live.epoch == 1:
            live = carry_out(moves, second)
        assert live.bundle == second.release.bundle
        assert len(moves.registry().client.search_model_versions("")) == 2, "a bundle is registered once"
    assert seen == {1, 2}


def test_a_rollback_killed_anywhere_is_finished_or_leaves_no_trace(started, tmp_path):
    folder, second = started
    before = _copied(folder, tmp_path / "two")
    carry_out(before, second)
    for moves in killed_everywhere(tmp_path / "two", tmp_path, lambda moves: moves.rollback(1, "bob", "wrong prices")):
        moves.recover()
        live = sound(moves)
        assert (live.epoch, live.bundle == second.release.bundle) in ((2, True), (3, False))


def test_an_approval_killed_anywhere_goes_on(started, tmp_path):
    folder, second = started
    waiting = _copied(folder, tmp_path / "waiting")
    carry_out(waiting, replace(second, release=replace(second.release, approval="manual")))
    for moves in killed_everywhere(tmp_path / "waiting", tmp_path, lambda moves: moves.approve(2, "bob", "")):
        moves.recover()
        if moves.history.record(2).phase == "awaiting approval":
            assert moves.history.live().epoch == 1
            moves.approve(2, "bob", "")
        assert sound(moves).epoch == 2


def test_the_next_promotion_goes_on_by_itself(moves, second):
    assert in_a_child(lambda: carry_out(moves, second), 6) == -signal.SIGKILL
    assert moves.history.live().epoch == 1
    decision = says(promote(moves, candidate(moves.lake, "second"), GATE, CATALOGUE))
    assert (decision["outcome"], decision["epoch"]) == ("promoted", 2)
    assert sound(moves).epoch == 2


def test_of_two_promoters_one_wins_and_the_other_hears_it(moves, second):
    other = replace(second, release=replace(second.release, settings={"other": True}))
    ready, go = os.pipe()
    children = []
    for each in (second, other, second, other):
        if not (child := os.fork()):
            os.read(ready, 1)
            os._exit(in_a_child(lambda each=each: carry_out(moves, each)))
        children.append(child)
    os.write(go, b"1234")
    ended = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert ended == [0, 3, 3, 3]
    assert moves.history.epochs() == [1, 2]
    assert sound(moves).epoch == 2


def test_a_promoter_that_slept_does_not_undo_what_came_after(moves, second):
    """It wrote its record, was stopped, and wakes up when another release is live."""
    late = moves.begin(second.release)
    moves.recover()
    third = plan(moves, "third", values=[score + 0.1 for score in GOOD])
    carry_out(moves, third)
    with pytest.raises(Impossible, match="release 2 of shop goes no further: release 3 came before it was finished"):
        moves.finish(late)
    assert sound(moves).epoch == 3


class Down(FolderClient):
    """A registry that is away for some methods."""

    def set_registered_model_alias(self, *_: str) -> None:
        raise ConnectionError("connection refused")


def without_mlflow(moves: Moves) -> Moves:
    registry = replace(moves.registry(), client=Down(moves.registry().client.path))
    return replace(moves, registry=lambda: registry)


def test_mlflow_down_between_record_and_alias_leaves_the_live_release_and_is_made_up_for(moves, second):
    down = without_mlflow(moves)
    with pytest.raises(RegistryUnavailable, match="MLflow could not set its alias champion .*llmops release recover shop"):
        carry_out(down, second)
    assert (moves.history.live().epoch, moves.history.record(2).phase) == (1, "prepared")
    with pytest.raises(RegistryUnavailable):
        down.recover()
    assert moves.recover() == ["release 2 (production) was finished: it is committed"]
    assert sound(moves).epoch == 2


def test_a_release_is_rolled_back_as_one_thing_without_building_anything(moves, second):
    first = moves.history.live()
    carry_out(moves, second)
    began = time.monotonic()
    done, behind = moves.rollback(1, "bob", "wrong prices")
    assert time.monotonic() - began < 5
    live = sound(moves)
    assert (done.epoch, behind, live.epoch) == (3, "", 3)
    assert (live.parts, live.settings, live.candidate, live.bundle) == (
        first.parts,
        first.settings,
        first.candidate,
        first.bundle,
    )
    assert (live.kind, live.moves, live.replaces, live.actor, live.why) == ("rollback", 1, 2, "bob", "wrong prices")
    assert moves.registry().holder().version == "1"


def test_a_rollback_does_not_wait_for_mlflow(moves, second):
    carry_out(moves, second)
    done, behind = without_mlflow(moves).rollback(1, "bob", "wrong prices")
    assert done.epoch == moves.history.live().epoch == 3
    assert "MLflow could not set its alias champion" in behind
    assert "names version 2 (release 2), but release 3 is live" in moves.differences()[0]
    assert moves.recover() == ["MLflow's alias of production names release 3 again"]
    assert sound(moves).epoch == 3


def test_a_rollback_stops_what_is_on_its_way(moves, second):
    carry_out(moves, second)
    stranded = moves.begin(plan(moves, "third", values=[score + 0.1 for score in GOOD]).release)
    moves.rollback(1, "bob", "wrong prices")
    assert moves.history.record(stranded.epoch).phase == "aborted"
    assert sound(moves).epoch == 4


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (2, "release 2 of shop answers already, as release 2; nothing was moved"),
        (9, "there is no release 9; the newest are: 1, 2"),
    ],
)
def test_a_rollback_to_nowhere_is_refused(moves, second, to, expected):
    carry_out(moves, second)
    with pytest.raises(Exception, match=expected):
        moves.rollback(to, "bob", "")
    assert moves.history.epochs() == [1, 2]


def test_a_rollback_to_what_was_never_live_is_refused(moves, second):
    moves.begin(second.release)
    with pytest.raises(Impossible, match="release 2 of shop was never live in production .it is prepared in production"):
        moves.rollback(2, "bob", "")


def test_a_rollback_to_a_release_whose_parts_are_gone_is_refused_by_name(moves, second):
    carry_out(moves, second)
    shutil.rmtree(checkpoint(moves.lake, "first").path)
    fresh = world(moves.lake.root.parent)
    with pytest.raises(Impossible, match="release 1 of shop needs checkpoint .*restore it from a backup, or release anew"):
        fresh.rollback(1, "bob", "")
    assert sound(fresh).epoch == 2


def test_the_release_before_is_never_the_one_that_was_just_taken_back(moves, second):
    carry_out(moves, second)
    assert moves.before("production") == 1
    moves.rollback(1, "bob", "")
    with pytest.raises(Impossible, match="no release in production from before the live one; name another with --to"):
        moves.before("production")


def test_a_release_whose_parts_are_gone_is_aborted_even_when_the_alias_names_it(moves, second):
    begun = moves.begin(second.release)
    registry = moves.registry()
    registry.point(begun, registry.register(begun.bundle, [], {}))
    shutil.rmtree(checkpoint(moves.lake, "second").path)
    fresh = world(moves.lake.root.parent)
    aborted, aligned = fresh.resume()
    assert aborted.startswith("release 2 (production) was aborted: release 2 of shop goes no further: release 2 of shop needs")
    assert aligned == "MLflow's alias of production names release 1 again"
    assert sound(fresh).epoch == 1
    assert fresh.resume() == []


def test_a_move_is_aborted_when_somebody_else_took_the_alias(moves, second):
    moves.begin(second.release)
    client = moves.registry().client
    client.create_model_version("shop", "", tags={"llmops/bundle": "of somebody else"})
    client.set_registered_model_alias("shop", "champion", "2")
    assert moves.recover() == [
        "release 2 (production) was aborted: MLflow's alias names version 2, which it neither came from nor went to",
        "MLflow's alias of production names release 1 again",
    ]
    assert sound(moves).epoch == 1


def test_an_alias_moved_by_hand_is_set_right_again(moves, second):
    carry_out(moves, second)
    moves.registry().client.set_registered_model_alias("shop", "champion", "1")
    assert moves.differences() == ["MLflow alias shop@champion names version 1 (release 1), but release 2 is live"]
    moves.recover()
    assert sound(moves).epoch == 2


def test_a_deleted_champion_is_registered_again(moves):
    moves.registry().client.delete_model_version("shop", "1")
    assert moves.differences() == ["MLflow alias shop@champion names nothing, but release 1 is live"]
    moves.recover()
    assert sound(moves).epoch == 1


class Racing(History):
    """While a record is written, release 2 is committed by another process, which had read the history before."""

    def append(self, release: Release) -> Release:
        begun = super().append(release)
        self.end(2, "committed")
        return begun


def test_what_was_decided_against_an_older_release_is_aborted_however_close_they_were(moves, second):
    moves.begin(second.release)
    third = plan(moves, "third", values=[score + 0.1 for score in GOOD])
    with pytest.raises(Conflict, match="it was decided against an older history"):
        replace(moves, history=Racing(moves.history.folder)).begin(third.release)
    assert moves.history.record(3).phase == "aborted"
    assert moves.history.live().epoch == 2


def test_a_first_release_that_was_aborted_leaves_no_alias(tmp_path):
    """Its alias was set, and then a part of it vanished: nothing is live, and nothing may look as if it were."""
    moves = world(tmp_path)
    begun = moves.begin(plan(moves, "first").release)
    registry = moves.registry()
    registry.point(begun, registry.register(begun.bundle, [], {}))
    assert not registry.clear("staging"), "it names nothing"
    shutil.rmtree(checkpoint(moves.lake, "first").path)
    fresh = world(tmp_path)
    aborted, cleared = fresh.recover()
    assert aborted.startswith("release 1 (production) was aborted") and cleared == "MLflow's alias of production names nothing"
    assert (fresh.registry().holder(), fresh.differences(), fresh.recover()) == (None, [], [])
