"""Failed assets and checks are ordered by what waits for them; what was mended since is not told."""

import dagster as dg

from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.promotion import promote
from llmops_pipelines.oncall.examinations import assets
from llmops_pipelines_tests.lifecycle.release.world import CATALOGUE, GATE, candidate, plain, world
from llmops_pipelines_tests.oncall.ward import Ward, said


def materialize(sick: Ward, asset: str, error: str = "") -> None:
    @dg.asset(key=["quickstart", asset])
    def work():
        if error:
            raise OSError(error)

    dg.materialize([work], instance=sick.instance, raise_on_error=False)


def check(sick: Ward, asset: str, name: str, passed: bool, severity=dg.AssetCheckSeverity.ERROR) -> None:
    key = dg.AssetKey(["quickstart", asset])
    verdict = dg.AssetCheckEvaluation(key, name, passed=passed, severity=severity, metadata={"lost": 3})
    sick.instance.report_runless_asset_event(verdict)


def test_a_failed_asset_says_its_reason_and_how_much_waits_for_it(sick: Ward):
    materialize(sick, "chunks", "no space left")
    found = said(sick.look(assets.examine), "chunks")
    assert found.severity == "wrong" and "OSError: no space left" in found.sentence
    assert "the release among them: no new one comes" in found.sentence
    assert found.downstream > 8 and f"{found.downstream} assets are made from it" in found.sentence
    assert found.fix == "llmops run quickstart --job reindex"


def test_what_was_made_since_is_mended(sick: Ward):
    materialize(sick, "chunks", "no space left")
    materialize(sick, "chunks")
    (found,) = sick.look(assets.examine)
    assert found.severity == "fine"


def test_a_check_that_does_not_hold_is_wrong_or_worth_a_look_by_its_severity(sick: Ward):
    check(sick, "index", "every_chunk_is_indexed", passed=False)
    check(sick, "drift_report", "the_corpus_has_not_drifted", passed=False, severity=dg.AssetCheckSeverity.WARN)
    found = sick.look(assets.examine)
    bad, warned = said(found, "index"), said(found, "drift_report")
    assert (bad.severity, warned.severity) == ("wrong", "look")
    assert "its check every_chunk_is_indexed does not hold (lost: 3)" in bad.sentence and bad.downstream > warned.downstream
    check(sick, "index", "every_chunk_is_indexed", passed=True)
    assert not [each for each in sick.look(assets.examine) if each.about == "index"]


def test_it_says_whether_the_live_release_stands_on_what_is_unsound(sick: Ward):
    registry = world(sick.home.folder, name="quickstart").registry
    moves = Moves(sick.home.lake("quickstart"), sick.home.history("quickstart"), registry)
    released = candidate(moves.lake)
    promote(moves, released, GATE, CATALOGUE)
    moves.lake.point(released.parts["index"])
    check(sick, "index", "every_chunk_is_indexed", passed=False)
    assert "the live release 1 stands on this very version" in said(sick.look(assets.examine), "index").sentence
    moves.lake.point(plain(moves.lake, "index", "newer"))
    assert "stands on" not in said(sick.look(assets.examine), "index").sentence
