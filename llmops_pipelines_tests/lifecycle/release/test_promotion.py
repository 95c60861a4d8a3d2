"""One release moves as one thing: gate, record, alias, read back; on a real MLflow registry in SQLite."""

import shutil

import pytest

from llmops_pipelines.config.pipeline import Gate
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.release import Candidate, Conflict, History, Registry, Release, promote

pytestmark = pytest.mark.slow

GATE = Gate(minimum=0.3, minimum_hit_at_5=0.5)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    client.create_experiment("shop", artifact_location=(folder / "artifacts").as_uri())
    yield client
    mlflow.set_tracking_uri(before)


@pytest.fixture
def registry(client, request) -> Registry:
    run = client.create_run(client.get_experiment_by_name("shop").experiment_id).info.run_id
    return Registry(client, request.node.name[:60].replace("[", "_").replace("]", ""), run)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake", "shop")


@pytest.fixture
def history(tmp_path) -> History:
    return History(tmp_path / "releases")


def scores(lake: Lake, mean: float) -> Version:
    part = {"token_f1": {"mean": mean, "coverage": 1.0}}
    summary = {
        "fine_tuned": part,
        "base": part,
        "difference": {"token_f1": {"low": 0.01}},
        "retrieval": {"hit_at_5": {"mean": 0.9}},
    }
    return lake.once("eval_scores", code="1", config=mean, parents=[], write=lambda draft: draft.json("summary", summary))


def checkpoint(lake: Lake, name: str) -> Version:
    def write(draft) -> None:
        draft.file("adapter/adapter_model.safetensors").write_bytes(name.encode())

    return lake.once("checkpoint", code="1", config=name, parents=[], write=write)


def attempt(lake: Lake, history: History, registry: Registry, mean: float, model: str, against=(0.0, 0.1), problems=()) -> dict:
    candidate = Candidate(
        {"eval_scores": scores(lake, mean), "checkpoint": checkpoint(lake, model)}, {"passages": 2}, dict(problems)
    )
    version = promote(lake, history, candidate, GATE, lambda champion, candidate: against, lambda: registry)
    return version.json("release")


def test_a_pass_registers_records_and_moves_the_alias(lake, history, registry):
    decision = attempt(lake, history, registry, 0.4, "a")
    assert (decision["outcome"], decision["epoch"], decision["model_version"]) == ("promoted", 1, "1")
    assert registry.champion() == "1" == history.live().model_version
    assert history.live().scores["token_f1"] == 0.4


def test_a_refusal_leaves_the_champion_alone_and_says_why(lake, history, registry):
    attempt(lake, history, registry, 0.4, "a")
    decision = attempt(lake, history, registry, 0.2, "b")
    assert (decision["outcome"], decision["epoch"]) == ("refused", 1)
    assert any(reason.startswith("fail: token_f1 of the candidate is at least 0.3") for reason in decision["reasons"])
    assert (registry.champion(), len(history.releases())) == ("1", 1)


def test_a_check_that_failed_in_another_run_refuses_whatever_the_scores(lake, history, registry):
    decision = attempt(lake, history, registry, 0.9, "a", problems={"nothing leaked": ["d/1 is on both sides"]})
    assert decision["outcome"] == "refused"
    assert "fail: nothing leaked (measured d/1 is on both sides)" in decision["reasons"]
    assert history.live() is None


def test_parts_that_were_not_made_from_each_other_are_never_released(lake, history, registry):
    old, new = checkpoint(lake, "old"), checkpoint(lake, "new")
    part = {"token_f1": {"mean": 0.9, "coverage": 1.0}}
    summary = {
        "fine_tuned": part,
        "base": part,
        "difference": {"token_f1": {"low": 0.5}},
        "retrieval": {"hit_at_5": {"mean": 1}},
    }
    scored = lake.once("eval_scores", code="1", config={}, parents=[old], write=lambda draft: draft.json("summary", summary))
    mixed = Candidate({"eval_scores": scored, "checkpoint": new}, {})
    decision = promote(lake, history, mixed, GATE, lambda *_: (0, 1), lambda: registry).json("release")
    assert decision["outcome"] == "inconclusive"
    assert decision["reasons"][0].startswith("inconclusive: its parts were made from each other (measured eval_scores was made")
    whole = Candidate({"eval_scores": scored, "checkpoint": old}, {})
    assert promote(lake, history, whole, GATE, lambda *_: (0, 1), lambda: registry).json("release")["outcome"] == "promoted"


def test_a_champion_that_lost_its_parts_is_not_defended_and_one_that_lost_its_scores_is(lake, history, registry):
    attempt(lake, history, registry, 0.9, "a")
    shutil.rmtree(scores(lake, 0.9).path)
    assert attempt(lake, history, registry, 0.4, "b", against=None)["outcome"] == "inconclusive"
    shutil.rmtree(checkpoint(lake, "a").path)
    assert attempt(lake, history, registry, 0.4, "b", against=None)["outcome"] == "promoted"


def test_the_live_bundle_is_not_promoted_twice(lake, history, registry):
    first = attempt(lake, history, registry, 0.4, "a")
    assert attempt(lake, history, registry, 0.4, "a") == first
    assert len(history.releases()) == 1


def test_a_model_registered_by_a_killed_promotion_is_not_registered_again(lake, history, registry, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(History, "append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            attempt(lake, history, registry, 0.4, "a")
    assert (history.live(), registry.champion()) == (None, None), "nothing may be visible before the record"
    assert attempt(lake, history, registry, 0.4, "a")["model_version"] == "1"


def test_an_alias_moved_by_hand_is_set_right_again(lake, history, registry):
    attempt(lake, history, registry, 0.4, "a")
    attempt(lake, history, registry, 0.5, "b")
    registry.client.set_registered_model_alias(registry.name, "champion", "1")
    attempt(lake, history, registry, 0.5, "b")
    assert registry.champion() == "2"


def test_a_promoter_that_lost_the_race_changes_nothing(lake, history, registry, monkeypatch):
    attempt(lake, history, registry, 0.4, "a")
    stale = history.live()
    winner = Release(2, "shop", {}, {}, {}, "1")
    history.append(winner)
    monkeypatch.setattr(History, "live", lambda self: stale)
    with pytest.raises(Conflict):
        attempt(lake, history, registry, 0.5, "b")
    assert registry.champion() == "1"
