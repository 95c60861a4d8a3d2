"""`llmops lineage` and `llmops at` as they are typed: one question at a time, exit codes for scripts, JSON for programs."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from llmops_pipelines.lifecycle.lake import Refusal
from llmops_pipelines.lifecycle.release.serving import Reply, Served
from llmops_pipelines.oncall.at import at
from llmops_pipelines.oncall.lineage import lineage

from ..lifecycle.lineage.small_product import FERRY, HARBOUR, Product, whole

app = typer.Typer()
app.command()(lineage)
app.command()(at)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Product:
    product = whole(tmp_path_factory.mktemp("made"))
    product.corpus({"harbour.md": HARBOUR, "ferry.md": FERRY.replace("noon", "one")})
    product.asked(said="at one")
    product.release("a newer page")
    return product


@pytest.fixture(autouse=True)
def project(made, tmp_path, monkeypatch) -> Path:
    """A project with this one pipeline; its file is never read."""
    (tmp_path / "configs" / "pipelines").mkdir(parents=True)
    (tmp_path / "configs" / "pipelines" / "isles.yaml").write_text("no: [yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMOPS_HOME", str(made.lake.root.parent))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def said(*words: str, code: int = 0) -> str:
    ended = CliRunner().invoke(app, list(words))
    assert ended.exit_code == code, (ended.output, ended.exception)
    return ended.output


def test_the_live_release_is_told_when_no_number_is_given():
    assert "Lineage of release 2 of isles" in said("lineage", "isles")
    assert "Lineage of release 1 of isles" in said("lineage", "isles", "1")


def test_json_has_every_step(made):
    found = json.loads(said("lineage", "isles", "2", "--json"))
    assert {step["asset"] for step in found["steps"]} == {version.asset for version in made.made.values()}
    assert found["documents"] is None
    listed = json.loads(said("lineage", "isles", "2", "--documents", "--json"))["documents"]
    assert {each["doc_id"] for each in listed} == {"handbook/ferry.md", "handbook/harbour.md"}


def test_a_document_is_followed_over_all_releases():
    found = json.loads(said("lineage", "isles", "--document", "ferry.md", "--json"))
    assert [state["releases"] for state in found["states"]] == [[1], [2]]
    assert "did you mean handbook/ferry.md" in said("lineage", "isles", "--document", "fery.md", code=1)


def test_a_question_as_it_was_recorded_is_no_difference():
    out = said("lineage", "isles", "1", "--question", "q1", "--recorded")
    assert "Release 1 answered 'at noon'." in out


def test_a_question_that_is_answered_otherwise_now_ends_with_three(monkeypatch):
    monkeypatch.setattr(Served, "ask", lambda self, question, where: Reply("never", []))
    out = said("lineage", "isles", "1", "--question", "q1", code=3)
    assert "it answered 'at noon' then and answers 'never' now" in out


def test_a_question_that_cannot_be_asked_ends_with_three(monkeypatch):
    def broken(self, question, where):
        raise Refusal("the index is on another machine")

    monkeypatch.setattr(Served, "ask", broken)
    found = json.loads(said("lineage", "isles", "1", "--question", "q1", "--json", code=3))
    assert found["not_asked"] == "the index is on another machine" and found["then"]["answer"] == "at noon"


def test_events_go_to_the_file(project):
    out = said("lineage", "isles", "2", "--openlineage", "events.ndjson")
    lines = (project / "events.ndjson").read_text().splitlines()
    assert f"{len(lines)} events: events.ndjson" in out and json.loads(lines[-1])["job"]["name"] == "release"


def test_a_page_is_written_for_a_browser(project):
    said("lineage", "isles", "--html", "report.html")
    assert "handbook" in (project / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "words", [("--document", "a", "--question", "b"), ("--documents", "--openlineage", "x"), ("--question", "q", "--documents")]
)
def test_two_questions_at_once_are_refused(words):
    assert "ask one of them" in said("lineage", "isles", *words, code=2)


def test_what_does_not_exist_is_refused_in_a_sentence():
    assert "no pipeline 'isle'" in said("lineage", "isle", code=2)
    assert "there is no release 9" in said("lineage", "isles", "9", code=1)


def test_at_a_time_the_release_is_told_with_what_came_after(made):
    first, second = made.history.record(1).promoted_at, made.history.record(2).promoted_at
    found = json.loads(said("at", "isles", second, "--json"))
    assert found["live"]["release"] == 2 and found["until"] == ""
    assert [move["release"] for move in found["around"]] == [1, 2]
    assert "Release 2 was live in production" in said("at", "isles", second)
    assert first <= second


def test_before_the_first_release_nothing_was_live():
    out = said("at", "isles", "2020-01-01")
    assert "Nothing was live in production of isles at 2020-01-01." in out
    found = json.loads(said("at", "isles", "2020-01-01", "--json"))
    assert found["live"] is None and found["around"][0]["release"] == 1


def test_a_time_that_is_none_and_a_stage_that_is_none_are_refused():
    assert "'Tuesday' is no time" in said("at", "isles", "Tuesday", code=1)
    assert "expected one of dev, staging, production" in said("at", "isles", "2026-01-01", "--stage", "prod", code=2)
