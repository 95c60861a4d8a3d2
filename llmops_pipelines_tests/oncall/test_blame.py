"""`llmops blame`: exit 3 and the guilty part when something got worse, 0 when nothing did."""

import json
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.history import History, Release
from llmops_pipelines.oncall import blame as command
from llmops_pipelines_tests.conftest import PROJECT
from llmops_pipelines_tests.lifecycle.lineage.blame.conftest import lake
from llmops_pipelines_tests.lifecycle.lineage.blame.test_blaming import SPOILT, poisoned
from llmops_pipelines_tests.lifecycle.lineage.blame.world import Product

__all__ = ["lake"]


@pytest.fixture
def shop(lake, monkeypatch) -> tuple[Lake, History]:
    """The pipeline quickstart of this project, with another lake and history."""
    monkeypatch.setenv("LLMOPS_HOME", str(lake.root.parent))
    monkeypatch.chdir(PROJECT)
    return replace(lake, pipeline="quickstart"), History(lake.root.parent / "releases" / "quickstart")


def release(history: History, candidate: Candidate) -> None:
    live, last = history.live(), max(history.epochs(), default=0)
    said = {"parts": candidate.named, "settings": candidate.settings, "candidate": candidate.described, "scores": {}}
    history.append(Release(last + 1, "quickstart", **said, replaces=live.epoch if live else 0))
    history.end(last + 1, "committed")


def blame(*arguments: str):
    app = typer.Typer()
    app.command()(command.blame)
    return CliRunner().invoke(app, ["quickstart", *arguments])


@pytest.mark.slow  # loads the project
def test_the_live_release_is_blamed_against_the_one_before_it(shop, tmp_path):
    lake, history = shop
    release(history, Product().made(lake))
    alone = blame()
    assert alone.exit_code == 1 and "is its first; there is nothing older to compare with" in alone.output
    release(history, poisoned(Product(), *SPOILT).made(lake))
    shown = blame("--html", str(tmp_path / "blame.html"))
    assert shown.exit_code == 3 and "isles/askay.md" in (tmp_path / "blame.html").read_text()
    told = json.loads(blame("1", "2", "--json").stdout)
    assert told["verdict"] == "guilty" and told["parts"][0]["name"] == "documents"
    assert blame("1", "1").exit_code == 0
    assert blame("2", "1").exit_code == 0  # it got better
    assert blame("1", "2", "--candidate").exit_code == 2
