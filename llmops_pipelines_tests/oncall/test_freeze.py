"""`llmops freeze`: with a name and a reason, once; Dagster's UI shows it at once, and the log keeps who did what."""

import dagster as dg
import pytest
import typer
from typer.testing import CliRunner

from llmops_pipelines.oncall import freeze as commands
from llmops_pipelines.resources import freeze
from llmops_pipelines_tests.oncall.ward import Ward

CHECK = dg.AssetCheckKey(dg.AssetKey(["quickstart", "release"]), commands.CHECK)


def llmops(*arguments: str):
    app = typer.Typer()
    app.command()(commands.freeze)
    app.command()(commands.unfreeze)
    return CliRunner().invoke(app, list(arguments))


def shown(sick: Ward) -> str | None:
    found = sick.instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])
    return found[CHECK].status.value if found else None


def test_a_freeze_is_kept_shown_and_ended(sick: Ward):
    frozen = llmops("freeze", "quickstart", "--why", "wrong  prices", "--by", "ann")
    assert frozen.exit_code == 0 and "quickstart is frozen by ann: wrong prices" in frozen.output
    assert str(freeze.frozen(sick.home, "quickstart")) == "frozen by ann: wrong prices"
    assert shown(sick) == "FAILED"
    ended = llmops("unfreeze", "quickstart", "--by", "bob")
    assert ended.exit_code == 0 and "it was frozen by ann: wrong prices" in ended.output
    assert freeze.frozen(sick.home, "quickstart") is None and shown(sick) == "SUCCEEDED"
    log = freeze.log(sick.home, "quickstart")
    assert [(each["what"], each["by"]) for each in log] == [("freeze", "ann"), ("unfreeze", "bob")]


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("--why", "  "), 2), (("--why", "x", "--by", "ann"), 0)])
def test_a_freeze_needs_a_reason(sick: Ward, arguments, code):
    assert llmops("freeze", "quickstart", *arguments).exit_code == code


def test_a_pipeline_that_does_not_exist_is_exit_2(sick: Ward):
    result = llmops("freeze", "quickstar", "--why", "x")
    assert result.exit_code == 2 and not (sick.home.folder / "frozen").exists()


def test_a_second_freeze_leaves_the_first_and_its_reason(sick: Ward):
    llmops("freeze", "quickstart", "--why", "wrong prices", "--by", "ann")
    second = llmops("freeze", "quickstart", "--why", "deploy", "--by", "bob")
    assert second.exit_code == 1 and "llmops unfreeze quickstart" in second.output
    assert freeze.frozen(sick.home, "quickstart").by == "ann"


def test_nothing_to_unfreeze_is_said(sick: Ward):
    result = llmops("unfreeze", "quickstart", "--by", "bob")
    assert (result.exit_code, result.output) == (0, "quickstart was not frozen\n")
    assert freeze.log(sick.home, "quickstart") == []


def test_it_works_while_the_pipeline_file_is_broken(tmp_path, monkeypatch):
    folder = tmp_path / "configs" / "pipelines"
    folder.mkdir(parents=True)
    (folder / "shop.yaml").write_text("documents: 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    assert llmops("freeze", "shop", "--why", "the file is broken", "--by", "ann").exit_code == 0


def test_a_storage_that_cannot_be_opened_does_not_stop_a_freeze(sick: Ward):
    (sick.home.folder / "dagster" / "dagster.yaml").write_text("run_storage: {module: nowhere, class: Gone}\n")
    result = llmops("freeze", "quickstart", "--why", "x", "--by", "ann")
    assert result.exit_code == 0 and freeze.frozen(sick.home, "quickstart")
