"""The history is append-only, its outcomes are decided once, and of two promoters at once one wins."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from llmops_pipelines.lifecycle.lake import Refusal
from llmops_pipelines.lifecycle.lake.digests import file_digest
from llmops_pipelines.lifecycle.lake.seals import seal_of
from llmops_pipelines.lifecycle.release import history as module
from llmops_pipelines.lifecycle.release.history import Conflict, History, Release

OLD = {  # a record as it was written before there were phases
    "epoch": 1,
    "pipeline": "shop",
    "parts": {"index": {"fingerprint": "f", "digest": "d"}},
    "settings": {"passages": 1},
    "scores": {"token_f1": 0.5},
    "model_version": "4",
    "reasons": ["pass"],
}


@pytest.fixture
def history(tmp_path) -> History:
    return History(tmp_path / "shop")


def release(epoch: int, replaces: int = 0, **said) -> Release:
    parts = {"index": {"fingerprint": "f", "digest": said.pop("index", "d")}}
    plain = {"scores": {"token_f1": 0.5}, "reasons": ["pass"], "settings": {}}
    return Release(epoch=epoch, pipeline="shop", parts=parts, replaces=replaces, **plain | said)


def committed(history: History, *releases: Release) -> None:
    for each in releases:
        history.append(each)
        history.end(each.epoch, "committed", model_version=str(each.epoch))


def test_the_newest_committed_release_is_live(history):
    assert history.live() is None
    committed(history, release(1), release(2, 1, index="e"))
    history.append(release(3, 2))
    assert (history.live().epoch, history.live().model_version) == (2, "2")
    assert [each.epoch for each in history.releases()] == [1, 2]
    assert [each.epoch for each in history.unfinished()] == [3]


def test_each_stage_has_a_live_release_of_its_own(history):
    committed(history, release(1), release(2, stage="dev"), release(3, 2, stage="dev"))
    assert [history.live(stage).epoch for stage in ("production", "dev")] == [1, 3]
    assert history.live("staging") is None


@pytest.mark.parametrize(("epoch", "replaces"), [(1, 1), (3, 1), (2, 0), (2, 2)])
def test_only_the_next_epoch_that_knows_what_is_live_is_accepted(history, epoch, replaces):
    committed(history, release(1))
    with pytest.raises(Conflict, match="decided against an older history"):
        history.append(release(epoch, replaces))
    assert history.epochs() == [1]


def test_of_many_promoters_at_once_one_wins(history):
    def attempt(number: int) -> bool:
        try:
            History(history.folder).append(release(1, index=str(number)))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_commit_and_abort_exclude_each_other(history):
    history.append(release(1))
    assert history.end(1, "aborted", why="no").phase == "aborted"
    assert history.end(1, "committed").phase == "aborted"
    assert history.live() is None


def test_phases_are_reached_once_and_shown(history):
    history.append(release(1, approval="manual"))
    assert history.record(1).phase == "awaiting approval"
    for phase in ("approved", "alias set", "verified"):
        assert history.mark(1, phase, actor="ann")
        assert not history.mark(1, phase, actor="bob")
        assert (history.record(1).phase, history.record(1).marks[phase]["actor"]) == (phase, "ann")


def test_records_of_earlier_versions_count_as_committed(history):
    history.folder.mkdir()
    (history.folder / "000001.json").write_text(json.dumps(OLD))
    old = history.live()
    assert (old.epoch, old.phase, old.model_version, old.promoted_at) == (1, "committed", "4", "")
    assert (history.unfinished(), history.releases()) == ([], [old])
    committed(history, release(2, 1))
    assert history.live().epoch == 2
    assert old.bundle == module.bundle_digest(OLD["parts"], OLD["settings"], {})


def test_what_was_live_at_a_time_comes_with_who_and_why(history, monkeypatch):
    times = {"2026-11-17T09:00:00+00:00": "ann", "2026-11-18T09:00:00+00:00": "bob"}
    for epoch, (time, actor) in enumerate(times.items(), start=1):
        monkeypatch.setattr(module, "now", lambda time=time: time)
        committed(history, release(epoch, epoch - 1, actor=actor, index=actor))
    assert history.at("2026-11-16") is None
    found = history.at("2026-11-17T23:59")
    assert (found.epoch, found.actor, found.reasons) == (1, "ann", ["pass"])
    assert history.at("2026-11-18T11:00+02:00").epoch == 2
    assert history.at("2026-11-18T10:59+02:00").epoch == 1


def test_a_time_that_is_none_is_refused(history):
    with pytest.raises(Refusal, match="'tuesday' is no time; write it like"):
        history.at("tuesday")


def test_an_unknown_release_names_those_that_are_there(history):
    committed(history, release(1))
    with pytest.raises(Refusal, match="there is no release 7; the newest are: 1"):
        history.record(7)


def test_the_same_parts_and_settings_are_the_same_bundle():
    assert release(1).bundle == release(2, 1, stage="dev").bundle
    assert release(1).bundle != release(1, settings={"passages": 3}).bundle
    assert release(1).bundle != release(1, candidate={"identity": "i"}).bundle


def test_a_new_eval_report_is_not_a_new_product():
    scored = replace(release(1), parts=release(1).parts | {"eval_scores": {"fingerprint": "g", "digest": "e"}})
    assert release(1).bundle == scored.bundle
    assert release(1).bundle != release(1, index="e").bundle


def test_a_bundle_is_withdrawn_by_a_rollback_until_somebody_brings_it_back(history):
    committed(history, release(1, index="good"), release(2, 1, index="bad"))
    bad = history.live().bundle
    assert history.withdrawn(bad, "production") is None
    committed(history, release(3, 2, index="good", kind="rollback", why="wrong prices"))
    assert history.withdrawn(bad, "production").why == "wrong prices"
    assert history.withdrawn(history.live().bundle, "production") is None
    assert history.withdrawn(bad, "dev") is None
    committed(history, release(4, 3, index="other"))
    assert history.withdrawn(bad, "production").epoch == 3
    committed(history, release(5, 4, index="bad", kind="promotion"))
    assert history.withdrawn(bad, "production") is None


def test_each_record_is_sealed_and_vouches_for_the_files_of_the_epoch_before(history):
    committed(history, release(1), release(2, 1))
    files = {name: file_digest(history.folder / name) for name in ("000001.json", "000001.end.json")}
    assert [each.previous for each in history.records()] == [{}, files]
    for path in history.folder.glob("*.json"):
        said = json.loads(path.read_text())
        assert said["seal"] == seal_of(said)
