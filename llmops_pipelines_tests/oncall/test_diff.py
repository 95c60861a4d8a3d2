"""`llmops diff`: two releases of a project side by side."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.history import History, Release
from llmops_pipelines.oncall.diff import diff
from llmops_pipelines_tests.lifecycle.lineage.difference.pair import QUESTIONS, TEXTS, bundle

ARDENT = "handbook/ardent"
EDITED = {**TEXTS, ARDENT: TEXTS[ARDENT].replace("120", "210")}
WRONG = {key: "210" for key, each in QUESTIONS.items() if each[1] == ARDENT}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A project with three releases: the first, one with an edited document that is answered wrongly, and the first again."""
    pipelines = tmp_path / "project" / "configs" / "pipelines"
    pipelines.mkdir(parents=True)
    (pipelines / "shop.yaml").write_text("description: A shop.\n")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    lake, history = Lake(tmp_path / "home" / "lake", "shop"), History(tmp_path / "home" / "releases" / "shop")
    good = bundle(lake)
    for epoch, each in enumerate((good, bundle(lake, texts=EDITED, says=WRONG), good), start=1):
        release(history, each, epoch)
    return tmp_path / "home"


def release(history: History, candidate: Candidate, epoch: int) -> None:
    said = {"settings": candidate.settings, "candidate": candidate.described, "scores": {}, "actor": "anna"}
    history.append(Release(epoch, "shop", candidate.named, replaces=epoch - 1, **said))
    history.end(epoch, "committed")


def run(*arguments: str):
    app = typer.Typer()
    app.command()(diff)
    return CliRunner().invoke(app, list(arguments))


def test_two_releases_side_by_side(home):
    ran = run("shop", "1", "2")
    assert ran.exit_code == 3
    for told in (
        "token_f1 fell from 1.000 to 0.750",
        "edited",
        "- MV Ardent",
        "+ MV Ardent",
        "llmops blame shop 1 2",
    ):
        assert told in ran.output
    assert "llmops release rollback shop --to 1" in ran.output


def test_the_same_bundle_again_ends_with_0(home):
    ran = run("shop", "1", "3")
    assert ran.exit_code == 0 and "Release 3 answers with the same bundle as release 1." in ran.output
    assert "blame" not in ran.output


def test_programs_get_everything_as_json(home):
    found = json.loads(run("shop", "1", "2", "--json").output)
    assert not found["same"] and found["documents"]["edited"][0]["doc_id"] == ARDENT
    assert found["chunks"]["added"] == 2 and found["before"]["by"] == "anna"
    assert [flip["change"] for flip in found["questions"]["flips"]] == [-1.0] * 5


def test_one_html_file_for_people_who_are_not_here(home, tmp_path):
    ran = run("shop", "1", "2", "--html", str(tmp_path / "diff.html"))
    assert ran.exit_code == 3 and ran.output.split() == ["written:", str(tmp_path / "diff.html")]
    assert ARDENT in (tmp_path / "diff.html").read_text("utf-8")


def test_another_metric(home):
    found = json.loads(run("shop", "1", "2", "--metric", "hit_at_5", "--json").output)
    assert found["metric"] == "hit_at_5" and not found["questions"]["flips"]


def test_a_metric_that_nobody_measured_is_one_sentence(home):
    ran = run("shop", "1", "2", "--metric", "token_f2")
    assert ran.exit_code == 1 and "token_f2" in ran.output and "token_f1" in ran.output


def test_a_release_that_there_is_not_is_one_sentence(home):
    ran = run("shop", "1", "9")
    assert ran.exit_code == 1 and "there is no release 9" in ran.output


def test_no_heavy_library_is_loaded(home):
    code = (
        "import sys\nfrom llmops_pipelines.oncall.diff import diff\ntry:\n diff('shop', 1, 2, '', True, None)\n"
        "except BaseException as end: assert end.exit_code == 3, end\n"
        "heavy = {'torch', 'mlflow', 'dagster', 'transformers', 'matplotlib'} & {*sys.modules}\nassert not heavy, heavy"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
