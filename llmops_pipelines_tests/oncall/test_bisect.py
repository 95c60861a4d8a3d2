"""`llmops bisect`: exit 3 when a score fell, 0 when it did not, 2 for a stage that does not exist."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.history import History
from llmops_pipelines.oncall import bisect as command
from llmops_pipelines_tests.conftest import PROJECT
from llmops_pipelines_tests.lifecycle.lineage.test_bisect import Past, filled, shaken


@pytest.fixture
def past(tmp_path: Path, monkeypatch) -> Past:
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    monkeypatch.chdir(PROJECT)
    return Past(Lake(tmp_path / "lake", "quickstart"), History(tmp_path / "releases" / "quickstart"))


def bisect(*arguments: str):
    app = typer.Typer()
    app.command()(command.bisect)
    return CliRunner().invoke(app, ["quickstart", *arguments])


def test_a_fall_exits_with_3_and_names_the_release(past):
    filled(past, 5, lambda number: shaken(number, 0.3 if number >= 4 else 0.0))
    shown = bisect()
    assert shown.exit_code == 3 and "token_f1 fell with release 4" in shown.output
    assert "llmops blame quickstart 3 4" in shown.output
    told = bisect("1", "5", "--json")
    assert told.exit_code == 3 and json.loads(told.output)["first"] == 4


def test_no_fall_exits_with_0_and_writes_the_page(past, tmp_path):
    filled(past, 3, lambda number: shaken(1))
    shown = bisect("--html", str(tmp_path / "bisect.html"))
    assert shown.exit_code == 0 and "did not fall beyond noise" in (tmp_path / "bisect.html").read_text()


def test_what_cannot_be_searched_exits_with_one_sentence(past):
    past.release(past.says(shaken(1)))
    shown = bisect()
    assert shown.exit_code == 1 and "name an older and a newer one" in shown.output
    assert bisect("--stage", "moon").exit_code == 2
