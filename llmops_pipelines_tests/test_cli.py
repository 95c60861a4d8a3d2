"""The command: help with an example each, exit codes, and one sentence for what people can mend."""

import pytest
from typer.testing import CliRunner

from llmops_pipelines.cli import app

COMMANDS = ("run", "train", "status", "search", "ask", "quarantine", "clean", "verify", "ui", "mlflow")


@pytest.fixture
def llmops(monkeypatch, tmp_path, project):
    """Run a command in the project folder over an empty home."""
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(project)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_help_names_every_command(llmops):
    shown = llmops("--help").output
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_an_example(llmops, command):
    assert f"Example: llmops {command}" in llmops(command, "--help").output


def test_an_unknown_pipeline_is_one_sentence_and_exit_2(llmops):
    result = llmops("run", "quikstart")
    assert result.exit_code == 2
    assert "no pipeline 'quikstart'; expected one of: quickstart; did you mean quickstart?" in result.output


def test_an_unknown_job_is_refused(llmops):
    assert llmops("run", "quickstart", "--job", "deploy").exit_code == 2


@pytest.mark.parametrize("command", ["ask", "search"])
def test_without_a_release_the_way_out_is_named(llmops, command):
    result = llmops(command, "quickstart", "When does it sail?")
    assert (result.exit_code, result.output.strip()) == (
        1,
        "quickstart has no release yet; make one with: llmops run quickstart",
    )


def test_what_training_a_recipe_takes_is_shown_before(llmops):
    shown = llmops("train", "quickstart_lora", "--dry-run")
    assert shown.exit_code == 0 and "trained weights" in shown.output and "No examples yet" in shown.output


@pytest.mark.parametrize(
    ("recipe", "reason"), [("quikstart_lora", "did you mean quickstart_lora?"), ("quickstart_embedder", "training.embedder")]
)
def test_a_recipe_that_cannot_be_trained_so_is_one_sentence(llmops, recipe, reason):
    result = llmops("train", recipe, "--dry-run")
    assert result.exit_code == 2 and reason in result.output.replace("\n", " ")


def test_status_of_an_empty_home(llmops):
    result = llmops("status", "quickstart")
    assert result.exit_code == 0
    assert "never materialized" in result.output
    assert "No release yet." in result.output


def test_mistakes_in_the_yaml_are_shown_with_their_lines(llmops, monkeypatch, tmp_path):
    pipelines = tmp_path / "configs" / "pipelines"
    pipelines.mkdir(parents=True)
    (pipelines / "shop.yaml").write_text("description: x\nowner: me\n")
    monkeypatch.chdir(tmp_path)
    result = llmops("status", "shop")
    assert result.exit_code == 2
    assert "configs/pipelines/shop.yaml:2  owner: got 'me'; expected 'team:name' or an e-mail address" in result.output
