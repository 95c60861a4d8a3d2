import pytest

from llmops_pipelines.lifecycle.lake import digest
from llmops_pipelines.lifecycle.lineage.difference.sides import Side, Unknown, reading
from llmops_pipelines.lifecycle.release.history import History, Release

from .pair import TEXTS, bundle, corpus, cut, publish


def test_a_release_and_the_candidate_that_it_was_have_the_same_bundle(lake, tmp_path):
    candidate, history = bundle(lake), History(tmp_path / "releases")
    record = Release(1, "shop", candidate.named, candidate.settings, {}, candidate=candidate.described)
    side = Side.of(lake, history.append(record))
    assert side.name == "release 1" and side.bundle == Side.of_candidate(lake, candidate).bundle
    assert side.spec["passages"] == 1 and side.part("index").digest == candidate.parts["index"].digest


def test_what_stands_above_the_parts_is_known_by_its_asset(lake):
    documents = corpus(lake, TEXTS, {})
    pieces = cut(lake, documents, TEXTS, 1)
    index = publish(lake, "index", {}, {"x": 1}, [pieces])
    record = Release(0, "shop", {"index": {"fingerprint": index.fingerprint, "digest": index.digest}}, {}, {})
    assert {*Side.of(lake, record).versions} == {"documents", "chunks", "index"}


def test_an_older_version_behind_a_part_is_told_apart(lake):
    older, newer = corpus(lake, {"a": "Old."}, {}), corpus(lake, TEXTS, {})
    examples = publish(lake, "training_examples", {}, {"x": 1}, [older])
    parts = {each.asset: {"fingerprint": each.fingerprint, "digest": each.digest} for each in (newer, examples)}
    versions = Side.of(lake, Release(0, "shop", parts, {}, {})).versions
    assert versions["documents"].digest == newer.digest
    assert versions["documents behind training_examples"].digest == older.digest


def test_what_is_missing_is_said_in_a_sentence(lake):
    parts = {"index": {"fingerprint": digest("gone"), "digest": digest("gone")}}
    side = Side.of(lake, Release(3, "shop", parts, {}, {}))
    with pytest.raises(Unknown, match="release 3 lost its index"):
        side.part("index")
    with pytest.raises(Unknown, match="release 3 has no eval scores"):
        side.part("eval_scores")
    with pytest.raises(Unknown, match="index of release 3 cannot be read"), reading(side, "index"):
        raise OSError("no such file")
    assert side.said("index", "content") == {}
