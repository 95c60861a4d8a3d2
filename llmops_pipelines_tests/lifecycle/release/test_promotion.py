"""The graph asks about its newest candidate: promoted, refused, inconclusive or waiting for a person, with reasons."""

import shutil
from dataclasses import replace

import pytest

from llmops_pipelines.config.catalogue import ApprovedModel, Catalogue
from llmops_pipelines.config.endpoints import ChatEndpoint
from llmops_pipelines.config.gate import Gate
from llmops_pipelines.lifecycle.lake import files
from llmops_pipelines.lifecycle.release.history import Conflict
from llmops_pipelines.lifecycle.release.moves import Impossible, Moves
from llmops_pipelines.lifecycle.release.promotion import Plan, advance, carry_out, planned, promote

from .world import CATALOGUE, GATE, GOOD, base_model, candidate, checkpoint, documents, plain, says, scored, spec, world


@pytest.fixture
def moves(tmp_path) -> Moves:
    return world(tmp_path)


def attempt(moves: Moves, model: str = "first", gate: Gate = GATE, catalogue: Catalogue | None = CATALOGUE, **said) -> dict:
    return says(promote(moves, candidate(moves.lake, model, **said), gate, catalogue, "ann"))


def test_a_pass_writes_a_record_registers_and_moves_the_alias(moves):
    decision = attempt(moves)
    assert (decision["outcome"], decision["epoch"], decision["model_version"]) == ("promoted", 1, "1")
    assert decision["candidate"] == "fine_tuned_retrieval"
    live = moves.history.live()
    assert moves.registry().holder().version == "1" == live.model_version
    assert (live.actor, live.phase, live.scores["token_f1"]) == ("ann", "committed", 0.5)
    assert [*live.marks] != [] and set(live.marks) == {"alias set", "verified", "end"}


def test_the_record_says_what_answers_and_on_what_evidence(moves):
    attempt(moves)
    live = moves.history.live()
    assert live.candidate["spec"]["prompt"]["template"].startswith("Context:")
    assert live.terms["base_model"]["name"] == "little llama"
    assert {(row["source"], row["licence"], row["documents"]) for row in live.terms["documents"]} == {
        ("handbook", "CC0-1.0", 2),
        ("notices", "MIT", 1),
    }
    assert live.evidence["verdict"] == "promote"
    assert live.evidence["against_base"]["token_f1"]["low"] > 0
    assert live.packages["pydantic"] and live.code.startswith("0.")


def test_a_refusal_leaves_the_champion_alone_and_says_why(moves):
    attempt(moves)
    decision = attempt(moves, "second", values=[0.2] * 10)
    assert (decision["outcome"], decision["epoch"]) == ("refused", 1)
    assert any(reason.startswith("fail: token_f1 of the candidate is at least 0.3") for reason in decision["reasons"])
    assert (moves.registry().holder().version, moves.history.epochs()) == ("1", [1])


def test_a_candidate_that_is_worse_than_the_champion_is_refused(moves):
    attempt(moves)
    worse = [score - 0.15 for score in GOOD]
    decision = attempt(moves, "second", values=worse)
    assert decision["outcome"] == "refused"
    assert [reason for reason in decision["reasons"] if reason.startswith("fail: it is not worse than the champion")]


def test_a_candidate_that_lost_ground_in_one_source_is_refused(moves):
    gate = Gate(minimum=0.3, slices=[{"slice": "source", "not_worse_than_champion_by": 0.05}], not_worse_than_champion_by={})
    attempt(moves, gate=gate)
    uneven = [score + 0.2 for score in GOOD[:5]] + [score - 0.1 for score in GOOD[5:]]
    decision = attempt(moves, "second", gate=gate, values=uneven)
    failed = [reason for reason in decision["reasons"] if reason.startswith("fail")]
    assert [reason.split(" (")[0] for reason in failed] == [
        "fail: the mean token_f1 of source notices is not below the champion's by more than 0.05"
    ]


def test_one_that_does_not_beat_its_base_is_refused_and_one_without_a_base_is_not_asked(moves):
    assert attempt(moves, base=GOOD)["outcome"] == "refused"
    without = {"spec": spec("retrieval", model="base"), "parts": {"eval_scores": scored(moves.lake, "retrieval", GOOD)}}
    whole = candidate(moves.lake)
    parts = {role: part for role, part in whole.parts.items() if role not in ("base_eval_scores", "checkpoint")}
    alone = replace(whole, spec=without["spec"], parts=parts | without["parts"])
    assert says(promote(moves, alone, GATE, CATALOGUE))["outcome"] == "promoted"


def test_a_check_that_failed_in_another_run_refuses_whatever_the_scores(moves):
    decision = attempt(moves, problems={"nothing leaked": ["d/1 is on both sides"]})
    assert decision["outcome"] == "refused"
    assert "fail: nothing leaked (measured d/1 is on both sides)" in decision["reasons"]
    assert moves.history.live() is None


def test_parts_that_were_not_made_from_each_other_are_never_released(moves):
    lake = moves.lake
    old, new = checkpoint(lake, "old"), checkpoint(lake, "new")
    answers = lake.once("answers/x", code="1", config={}, parents=[old], write=lambda draft: draft.json("said", 1))
    decision = attempt(moves, "new", parts={"answers": answers})
    assert decision["outcome"] == "inconclusive"
    assert decision["reasons"][0].startswith("inconclusive: its parts were made from each other (measured answers/x was made")
    assert new.digest[:12] in decision["reasons"][0]
    assert attempt(moves, "old", parts={"answers": answers})["outcome"] == "promoted"


def test_a_part_may_be_called_otherwise_than_its_role(moves):
    attempt(moves, parts={"checkpoint": checkpoint(moves.lake, "big", asset="checkpoint_big")})
    live = moves.history.live()
    assert live.parts["checkpoint"]["asset"] == live.asset("checkpoint") == "checkpoint_big"
    assert moves.missing(live) == ""


def test_a_champion_that_lost_its_parts_is_not_defended_and_one_that_lost_its_scores_is(moves):
    attempt(moves, values=[0.9] * 10)
    again = world(moves.lake.root.parent)
    shutil.rmtree(scored(moves.lake, "fine_tuned_retrieval", [0.9] * 10).path)
    decision = says(promote(again, candidate(again.lake, "second"), GATE, CATALOGUE))
    assert decision["outcome"] == "inconclusive"
    assert any("measured nothing: its scores are gone" in reason for reason in decision["reasons"])
    shutil.rmtree(checkpoint(moves.lake, "first").path)
    again = world(moves.lake.root.parent)
    assert says(promote(again, candidate(again.lake, "second"), GATE, CATALOGUE))["outcome"] == "promoted"


def test_the_live_bundle_is_not_promoted_twice(moves):
    first = attempt(moves)
    assert attempt(moves) == first
    assert moves.history.epochs() == [1]


@pytest.mark.parametrize(
    ("catalogue", "expected"),
    [
        (None, "no file configs/catalogue.yaml; write one that lists base"),
        (Catalogue(models=[]), f"is not listed; when it was reviewed, add it with sha256: {'a' * 64}"),
    ],
)
def test_a_base_model_that_nobody_approved_is_refused_with_the_way_out(moves, catalogue, expected):
    decision = attempt(moves, catalogue=catalogue)
    assert decision["outcome"] == "refused"
    assert expected in " ".join(decision["reasons"])
    assert attempt(moves, catalogue=catalogue, gate=Gate(minimum=0.3, base_models="any"))["outcome"] == "promoted"


def test_a_model_behind_an_endpoint_is_approved_by_its_name(moves):
    endpoint = {"url": "https://models.example/v1", "model": "big-model"}
    remote = spec("remote", model="endpoint", endpoint=ChatEndpoint(**endpoint))
    whole = candidate(moves.lake)
    parts = {role: part for role, part in whole.parts.items() if role not in ("base_model", "checkpoint")}
    asked = replace(whole, spec=remote, parts=parts)
    assert says(promote(moves, asked, GATE, CATALOGUE))["outcome"] == "refused"
    approved = Catalogue(models=[ApprovedModel(name="big-model", licence="contract", uses=["internal"])])
    assert says(promote(moves, asked, GATE, approved))["outcome"] == "promoted"


def test_licences_and_uses_that_are_not_allowed_are_refused(moves):
    odd = attempt(moves, gate=Gate(minimum=0.3, licences=["MIT"]))
    assert odd["outcome"] == "refused" and "(measured source handbook: CC0-1.0)" in " ".join(odd["reasons"])
    sold = attempt(moves, gate=Gate(minimum=0.3, use="commercial"))
    assert sold["outcome"] == "refused" and "may be used for: commercial (measured research, internal)" in " ".join(
        sold["reasons"]
    )
    closed = {"base_model": base_model(moves.lake, "d" * 64, "closed"), "documents": documents(moves.lake, "MIT")}
    other = attempt(moves, gate=Gate(minimum=0.3, licences=["MIT"], base_models="any"), parts=closed)
    assert other["outcome"] == "refused" and "base model base: closed" in " ".join(other["reasons"])
    assert attempt(moves, gate=Gate(minimum=0.3, licences=["MIT", "CC0-1.0"], use="internal"))["outcome"] == "promoted"


def test_limits_are_taken_from_the_timings_and_the_comparison(moves):
    slow = Gate(minimum=0.3, latency_p95_milliseconds=39)
    assert attempt(moves, gate=slow)["outcome"] == "refused"
    assert attempt(moves, gate=Gate(minimum=0.3, megabytes=1))["outcome"] == "inconclusive"
    assert attempt(moves, gate=Gate(minimum=0.3, latency_p95_milliseconds=41, cost_per_question=0.01))["outcome"] == "promoted"


MANUAL = Gate(minimum=0.3, approval="manual")


def test_with_manual_approval_a_release_waits_for_a_person(moves):
    decision = attempt(moves, gate=MANUAL)
    assert decision["outcome"] == "awaiting approval"
    assert "llmops release approve shop 1" in decision["reasons"][0]
    assert (moves.history.live(), moves.registry().holder()) == (None, None)
    assert attempt(moves, gate=MANUAL) == decision and moves.history.epochs() == [1]

    done = moves.approve(1, "bob", "read the card")
    assert (done.phase, moves.registry().holder().version) == ("committed", "1")
    assert (done.marks["approved"]["actor"], done.marks["approved"]["why"]) == ("bob", "read the card")
    assert done.marks["approved"]["at"]
    with pytest.raises(Impossible, match="does not wait for approval: it is committed"):
        moves.approve(1, "bob", "")


def test_a_newer_candidate_takes_the_place_of_one_that_waits(moves):
    attempt(moves, gate=MANUAL)
    attempt(moves, "second", gate=MANUAL)
    assert [each.phase for each in moves.history.records()] == ["aborted", "awaiting approval"]
    with pytest.raises(Impossible, match="it is aborted .release 2 came before it was finished"):
        moves.approve(1, "bob", "")


def test_what_was_rolled_back_is_not_released_again_by_itself(moves):
    attempt(moves)
    attempt(moves, "second")
    moves.rollback(1, "bob", "wrong prices")
    decision = attempt(moves, "second")
    assert (decision["outcome"], decision["epoch"]) == ("refused", 3)
    assert "release 2, which release 3 took back: wrong prices" in decision["reasons"][0]
    assert "llmops release promote shop 2 --to production" in decision["reasons"][0]
    plan = advance(moves, 2, "production", GATE, CATALOGUE, "bob", "prices were right")
    assert carry_out(moves, plan).epoch == 4
    assert attempt(moves, "second")["outcome"] == "promoted"


STAGED = Gate(minimum=0.3, enters="dev", stages={"production": {"minimum": 0.7, "approval": "manual"}})


def test_a_release_goes_from_stage_to_stage_by_the_gate_of_each(moves):
    assert attempt(moves, gate=STAGED)["epoch"] == 1
    assert [moves.history.live(stage) is None for stage in ("dev", "staging", "production")] == [False, True, True]
    with pytest.raises(Impossible, match="was never live in staging; promote it there first"):
        advance(moves, 1, "production", STAGED, CATALOGUE)
    staged = carry_out(moves, advance(moves, 1, "staging", STAGED, CATALOGUE, "bob"))
    assert (staged.epoch, staged.stage, staged.kind, staged.moves) == (2, "staging", "promotion", 1)
    assert moves.registry().holder("staging").version == moves.registry().holder("dev").version == "1"
    assert advance(moves, 2, "production", STAGED, CATALOGUE).verdict.outcome == "reject"

    looser = STAGED.model_copy(
        update={"stages": {"production": STAGED.stages["production"].model_copy(update={"minimum": {}})}}
    )
    waiting = carry_out(moves, advance(moves, 2, "production", looser, CATALOGUE))
    assert (waiting.phase, moves.history.live()) == ("awaiting approval", None)
    assert moves.approve(3, "eve", "").stage == "production"
    assert moves.registry().holder().version == "1"
    with pytest.raises(Impossible, match="is live in production already, as release 3"):
        advance(moves, 1, "production", looser, CATALOGUE)


def test_a_stage_that_the_gate_does_not_lead_to_is_refused(moves):
    attempt(moves)
    with pytest.raises(Impossible, match="releases of shop go through production; see gate.enters"):
        advance(moves, 1, "dev", GATE, CATALOGUE)


def test_a_promoter_that_lost_the_race_changes_nothing(moves, monkeypatch):
    attempt(moves)
    plan = _a_third(moves)
    attempt(moves, "second")
    with pytest.raises(Conflict, match="decided against an older history"):
        carry_out(moves, plan)
    assert moves.registry().holder().version == "2"


def _a_third(moves: Moves) -> Plan:
    return planned(moves, candidate(moves.lake, "third"), GATE, "production", CATALOGUE)


def test_an_old_release_is_compared_only_as_far_as_it_was_measured(moves):
    """A champion of an earlier version has scores of another form: inconclusive, with the reason, until nothing is asked."""
    old = plain(moves.lake, "eval_scores", "of old")
    parts = {"eval_scores": {"fingerprint": old.fingerprint, "digest": old.digest}}
    folder = moves.history.folder
    folder.mkdir()
    record = {"epoch": 1, "pipeline": "shop", "parts": parts, "settings": {}, "scores": {}, "model_version": "1", "reasons": []}
    (folder / "000001.json").write_bytes(files.to_json(record))
    decision = attempt(moves)
    assert decision["outcome"] == "inconclusive"
    assert "an earlier version scored it in another way" in " ".join(decision["reasons"])
    assert attempt(moves, gate=Gate(minimum=0.3, not_worse_than_champion_by={}))["epoch"] == 2
