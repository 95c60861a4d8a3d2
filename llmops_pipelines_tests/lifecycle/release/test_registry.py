"""The registry on a real MLflow in SQLite: what the file of `world.py` stands in for elsewhere behaves the same here."""

import pytest

from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.promotion import promote
from llmops_pipelines.lifecycle.release.registry import Registry, RegistryUnavailable

from .world import CATALOGUE, GATE, GOOD, candidate, says, world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    yield client
    mlflow.set_tracking_uri(before)


@pytest.fixture
def moves(client, tmp_path, request) -> Moves:
    name = request.node.name[:60]
    client.create_experiment(name, artifact_location=(tmp_path / "artifacts").as_uri())
    return world(tmp_path, client, name)


def attempt(moves: Moves, model: str, **said) -> dict:
    return says(promote(moves, candidate(moves.lake, model, **said), GATE, CATALOGUE, "ann"))


def test_a_release_is_registered_with_its_papers_and_weights(moves, client):
    run = client.create_run(client.get_experiment_by_name(moves.lake.pipeline).experiment_id).info.run_id
    assert attempt(moves, "first", run=run)["outcome"] == "promoted"
    version = client.get_model_version_by_alias(moves.lake.pipeline, "champion")
    assert (str(version.version), version.run_id) == ("1", run)
    assert version.tags["llmops/release.production"] == "1"
    assert version.tags["checkpoint"] == moves.history.live().parts["checkpoint"]["digest"]
    model = version.source.removeprefix("models:/")
    kept = {item.path for item in client.list_logged_model_artifacts(model)}
    assert kept >= {"model_card.md", "bill_of_materials.cdx.json", "bundle.json", "adapter_model.safetensors"}


def test_promoting_rolling_back_and_promoting_again_moves_one_alias_between_two_versions(moves):
    attempt(moves, "first")
    attempt(moves, "second", values=[score + 0.1 for score in GOOD])
    assert moves.registry().holder().version == "2"
    assert moves.rollback(1, "bob", "wrong prices")[1] == ""
    assert (moves.registry().holder().version, moves.differences()) == ("1", [])
    assert attempt(moves, "second", values=[score + 0.1 for score in GOOD])["outcome"] == "refused"


def test_a_deleted_champion_is_registered_again(moves, client):
    attempt(moves, "first")
    client.delete_model_version(moves.lake.pipeline, "1")
    assert "names nothing, but release 1 is live" in moves.differences()[0]
    assert moves.recover() == ["MLflow's alias of production names release 1 again"]
    assert (moves.registry().holder().version, moves.differences()) == ("2", [])


def test_an_alias_that_nothing_was_released_for_is_told(moves, client):
    attempt(moves, "first")
    client.set_registered_model_alias(moves.lake.pipeline, "staging", "1")
    assert "@staging names version 1, but nothing was released" in moves.differences()[0]


def test_a_product_without_an_experiment_is_told_how_to_make_one(client, tmp_path):
    with pytest.raises(RegistryUnavailable, match="MLflow has no experiment nowhere; make it with: llmops run nowhere"):
        Registry(client, "nowhere").register("bundle", [tmp_path], {})


def test_a_server_that_is_away_is_one_sentence(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = Registry(mlflow.MlflowClient("http://127.0.0.1:9"), "shop")
    with pytest.raises(RegistryUnavailable, match="MLflow could not read its alias .*what was live stays live"):
        away.holder()
