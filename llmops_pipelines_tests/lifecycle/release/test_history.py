"""The history is append-only, and of two promoters at once one wins."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from llmops_pipelines.lifecycle.release import Conflict, History, Release


def release(epoch: int, **settings) -> Release:
    parts = {"index": {"fingerprint": "f", "digest": "d"}}
    return Release(epoch, "shop", parts, settings, {"token_f1": 0.5}, model_version=str(epoch), reasons=["pass"])


def test_the_newest_record_is_live(tmp_path):
    history = History(tmp_path / "shop")
    assert history.live() is None
    history.append(release(1))
    history.append(release(2, passages=3))
    assert history.live() == release(2, passages=3)
    assert [each.epoch for each in history.releases()] == [1, 2]


@pytest.mark.parametrize("epoch", [1, 3])
def test_only_the_next_epoch_is_accepted(tmp_path, epoch):
    history = History(tmp_path)
    history.append(release(1))
    with pytest.raises(Conflict, match="decided against an older history"):
        history.append(release(epoch))
    assert history.live().epoch == 1


def test_of_many_promoters_at_once_one_wins(tmp_path):
    def attempt(passages: int) -> bool:
        try:
            History(tmp_path).append(release(1, passages=passages))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_the_same_parts_and_settings_are_the_same_bundle():
    assert release(1).bundle == release(2).bundle
    assert release(1).bundle != release(1, passages=3).bundle


def test_a_new_eval_report_is_not_a_new_product():
    scored = replace(release(1), parts=release(1).parts | {"eval_scores": {"fingerprint": "g", "digest": "e"}})
    moved = replace(release(1), parts={"index": {"fingerprint": "g", "digest": "e"}})
    assert release(1).bundle == scored.bundle
    assert release(1).bundle != moved.bundle
