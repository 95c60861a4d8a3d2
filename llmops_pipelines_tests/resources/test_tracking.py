"""One MLflow run per published version, found again without MLflow; a failed step's run is reopened."""

import subprocess
import sys

import mlflow
import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle.lake import Refusal, Version
from llmops_pipelines.resources.tracking import Tracking

pytestmark = pytest.mark.slow


@pytest.fixture
def tracking(home):
    before = mlflow.get_tracking_uri()
    yield Tracking(home=home)
    mlflow.set_tracking_uri(before)


@pytest.fixture
def version(home) -> Version:
    def write(draft) -> None:
        draft.table("scores", pa.table({"n": [1]}))
        draft.facts.update(token_f1=0.5, engine="DeepSpeedEngine")

    return home.lake("shop").once("scores", code="1", config={}, parents=[], write=write)


def test_a_version_is_recorded_once_with_its_facts(tracking, version):
    filled = []
    pages = [tracking.record(version, {"dagster/run_id": "r"}, lambda client, run: filled.append(run)) for _ in range(2)]
    assert (pages[0], len(filled)) == (pages[1], 1)
    run = tracking.client().get_run(tracking.run_of(version))
    assert (run.data.metrics, run.data.params) == ({"token_f1": 0.5}, {"engine": "DeepSpeedEngine"})
    assert run.data.tags["data_version"] == version.digest
    assert run.info.status == "FINISHED"


def test_a_failed_step_closes_its_run_and_the_next_try_reopens_it(tracking):
    run = tracking.start("shop", "checkpoint", "f1", {})
    with pytest.raises(KeyError), tracking.failing([run]):
        raise KeyError
    assert tracking.client().get_run(run).info.status == "FAILED"
    assert tracking.start("shop", "checkpoint", "f1", {}) == run
    assert tracking.client().get_run(run).info.status == "RUNNING"


def test_another_server_knows_nothing_of_it(tracking, version, home):
    tracking.record(version, {}, lambda client, run: None)
    with pytest.raises(Refusal, match="has no MLflow run on sqlite:"):
        Tracking(home=home, server=f"sqlite:///{home.folder / 'other.db'}").run_of(version)


def test_two_first_starts_at_once_both_succeed(home):
    code = f"""
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.tracking import Tracking
print(Tracking(home=Home(path={home.path!r})).client().search_experiments()[0].name)
"""
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in started] == ["Default", "Default"]


def test_a_prompt_is_registered_once_per_text(tracking, home):
    def answers(template: str) -> Version:
        words = {"template": template, "system": "Be brief.", "few_shot": [], "description": "for a test"}
        spec = {"name": "mine", "prompt": words, "rewrite": None, "verify": None}
        lake = home.lake("shop")
        write = lambda draft: draft.json("candidate", spec)  # noqa: E731
        return lake.once("answers/mine", code="1", config=spec, parents=[], write=write)

    for template in ("{question}?", "{question}?", "{context} {question}"):
        tracking.prompts("shop", answers(template))
    kept = mlflow.genai.load_prompt("prompts:/shop-mine-prompt/2")
    assert kept.template == "Be brief.\n\n{{context}} {{question}}"
    assert mlflow.genai.load_prompt("prompts:/shop-mine-prompt/1").template == "Be brief.\n\n{{question}}?"
