"""The graph as a reviewer sees it: every asset with its group, kinds, parents and checks; every job, schedule and sensor.

A change here is a change of the product. Renew the snapshot with: UPDATE_SNAPSHOT=1 make test
"""

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from llmops_pipelines.definitions import graph, product, resources

SNAPSHOT = Path(__file__).parent / "graph.json"


@pytest.fixture(scope="module")
def definitions(request) -> dg.Definitions:
    project = Path(__file__).parents[2]
    quickstart = product("quickstart", project / "configs" / "pipelines" / "quickstart.yaml", project)
    return graph([quickstart], resources(project))


def described(definitions: dg.Definitions) -> dict:
    assets = definitions.resolve_asset_graph()
    return {
        "assets": {
            key.to_user_string(): {
                "group": assets.get(key).group_name,
                "kinds": sorted(assets.get(key).kinds),
                "parents": sorted(parent.to_user_string() for parent in assets.get(key).parent_keys),
                "owners": list(assets.get(key).owners),
                "automation": (condition := assets.get(key).automation_condition) and condition.get_label(),
                "checks": sorted(check.name for check in assets.get(key).check_keys),
            }
            for key in sorted(assets.get_all_asset_keys())
        },
        "blocking_checks": sorted(
            spec.name for check in definitions.asset_checks for spec in check.check_specs if spec.blocking
        ),
        "jobs": sorted(job.name for job in definitions.jobs),
        "schedules": {schedule.name: schedule.cron_schedule for schedule in definitions.schedules},
        "sensors": sorted(sensor.name for sensor in definitions.sensors),
    }


def test_the_graph_is_the_one_that_was_reviewed(definitions):
    seen = json.dumps(described(definitions), indent=1) + "\n"
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(seen, "utf-8")
    assert seen == SNAPSHOT.read_text("utf-8")


def test_every_asset_tells_what_it_is(definitions):
    for asset in definitions.assets:
        for key, spec in asset.specs_by_key.items():
            assert spec.description and spec.owners and spec.kinds and spec.group_name and spec.code_version, key


def test_every_job_selects_assets(definitions):
    """A selection that matches nothing loads without an error in Dagster."""
    sizes = {
        job.name: len(definitions.resolve_job_def(job.name).asset_layer.executable_asset_keys)
        for job in definitions.jobs
        if "cleanup" not in job.name
    }
    assert sizes == {"quickstart__reindex_job": 8, "quickstart__retrain_job": 10}


def test_the_code_location_is_one_lineage_graph(definitions):
    """Every asset has `raw_documents` or `base_model` among its ancestors, and all but the reports lead to the release."""
    assets = definitions.resolve_asset_graph()
    key = dg.AssetKey(["quickstart", "release"])
    ancestors = {each.path[-1] for each in dg.AssetSelection.assets(key).upstream().resolve(assets)}
    everything = {each.path[-1] for each in assets.get_all_asset_keys()}
    reports = {"drift_report", "regression"}
    assert everything - ancestors == {"training_examples"} - ancestors | reports


def test_a_copy_of_the_file_is_a_second_product(project):
    file = project / "configs" / "pipelines" / "quickstart.yaml"
    both = graph([product(name, file, project) for name in ("quickstart", "second")], resources(project))
    keys = {key.path[0] for key in both.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {"quickstart", "second"}
    assert both.resolve_job_def("second__reindex_job").name == "second__reindex_job"


EVERYTHING = """
candidates:
  - {name: small, model: tuned, compression: int8}
  - {name: preferred, model: tuned, recipe: configs/recipes/quickstart_dpo.yaml}
evaluation:
  bias: {}
  tasks: {names: [mine], folder: configs/quickstart}
  judge: {endpoint: {url: "http://127.0.0.1:1/v1", model: judge, max_tokens: 1024}}
gate:
  metric: token_f1
"""


def test_what_the_yaml_asks_for_joins_the_graph(project, tmp_path):
    file = tmp_path / "everything.yaml"
    words = (project / "configs" / "pipelines" / "quickstart.yaml").read_text("utf-8")
    more = "training:\n  feedback: {path: configs/quickstart/feedback}\n  embedder: configs/recipes/quickstart_embedder.yaml\n"
    more += "  written_pairs: {terms: ours, teacher: {url: 'http://127.0.0.1:1/v1', model: teacher}}\n"
    words = words.replace("training:\n", more).replace("gate:\n", EVERYTHING, 1).replace("  metric: token_f1\n", "", 1)
    file.write_text(words, "utf-8")
    definitions = graph([product("everything", file, project)], resources(project))
    assets = definitions.resolve_asset_graph()
    named = {key.path[-1] for key in assets.get_all_asset_keys()}
    asked = {"checkpoint_quickstart_dpo", "preference_pairs", "embedder_pairs", "hard_negatives", "embedder"}
    assert asked | {"compressed", "bias", "task_scores", "judge", "written_pairs"} <= named
    checked = {key.path[-1]: {check.name for check in assets.get(key).check_keys} for key in assets.get_all_asset_keys()}
    assert "nothing_leaks_into_training" in checked["preference_pairs"] and not checked["written_pairs"]
    parents = {key.path[-1] for key in assets.get(dg.AssetKey(["everything", "answers"])).parent_keys}
    assert {"checkpoint", "checkpoint_quickstart_dpo", "base_model", "compressed"} <= parents
    assert definitions.resolve_job_def("everything__retrain_job")
