"""The `dg` command works on the project: it lists, checks and launches what `workspace.yaml` serves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[1]


@pytest.fixture
def dg(tmp_path):
    home = tmp_path / "home" / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = os.environ | {"LLMOPS_HOME": str(home.parent), "DAGSTER_HOME": str(home)}

    def run(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("dg")), *arguments]
        return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout

    return run


def test_definitions_are_checked_and_listed(dg):
    assert "All definitions loaded successfully" in dg("check", "defs")
    listed = json.loads(dg("list", "defs", "--json"))
    assert {"quickstart/raw_documents", "quickstart/release"} <= {asset["asset_key"] for asset in listed["assets"]}


def test_an_asset_is_launched(dg, tmp_path):
    dg("launch", "--assets", "quickstart/base_model")
    assert (tmp_path / "home" / "lake" / "quickstart" / "base_model" / "current.json").is_file()
