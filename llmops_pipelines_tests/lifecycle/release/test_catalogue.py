"""The catalogue of approved base models: every recipe that ships starts from one, and mistakes come with their lines."""

from pathlib import Path

import pytest
import yaml

from llmops_pipelines.config.catalogue import load_catalogue
from llmops_pipelines.config.mistakes import ConfigMistakes

LISTED = f"""\
models:
  - {{name: small, sha256: {"a" * 64}, licence: MIT, uses: [internal]}}
  - {{name: remote-model, licence: contract, uses: [commercial]}}
"""


def write(project: Path, text: str) -> Path:
    (project / "configs").mkdir()
    (project / "configs" / "catalogue.yaml").write_text(text)
    return project


def test_the_base_models_of_the_recipes_that_run_here_are_approved(project):
    catalogue = load_catalogue(project)
    recipes = [yaml.safe_load(path.read_text("utf-8")) for path in (project / "configs" / "recipes").glob("*.yaml")]
    local = [recipe["base"]["sha256"] for recipe in recipes if recipe.get("base", {}).get("path")]
    assert local and all(catalogue.find(sha256) for sha256 in local)


def test_models_are_found_by_their_weights_and_remote_ones_by_their_name(tmp_path):
    catalogue = load_catalogue(write(tmp_path, LISTED))
    assert catalogue.find("a" * 64).name == "small"
    assert catalogue.find("a" * 64, "remote-model").name == "small"
    assert catalogue.find(None, "remote-model").licence == "contract"
    assert [catalogue.find("b" * 64), catalogue.find("b" * 64, "remote-model"), catalogue.find(None, "small")] == [None] * 3


def test_a_project_may_have_none(tmp_path):
    assert load_catalogue(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LISTED.replace("internal", "resale"), "configs/catalogue.yaml:2  models[0].uses[0]: got 'resale'; expected one of"),
        (LISTED + LISTED.split("\n")[1], "each model once; 'small' is listed twice"),
        (LISTED.replace("a" * 64, "abc"), "configs/catalogue.yaml:2  models[0].sha256"),
    ],
)
def test_mistakes_are_found_with_their_lines(tmp_path, text, expected):
    with pytest.raises(ConfigMistakes) as caught:
        load_catalogue(write(tmp_path, text))
    assert expected in str(caught.value)
