"""How a command answers: one of terminal, JSON and file."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from llmops_pipelines.lifecycle.lineage.page import Facts, Page
from llmops_pipelines.oncall.output import deliver, plain

PAGE = Page("a title", "an answer", [Facts("facts", {"documents": 3})])


@dataclass(frozen=True)
class Answer:
    score: float
    names: frozenset[str]
    file: Path


ANSWER = Answer(float("nan"), frozenset({"b", "a"}), Path("x"))


def test_the_page_is_the_default(capsys):
    deliver(ANSWER, PAGE, as_json=False, html=None)
    assert "an answer" in capsys.readouterr().out


def test_json_is_all_that_programs_get(capsys):
    deliver(ANSWER, PAGE, as_json=True, html=None)
    assert json.loads(capsys.readouterr().out) == {"score": None, "names": ["a", "b"], "file": "x"}


def test_a_file_is_written_and_named(tmp_path, capsys):
    deliver(ANSWER, PAGE, as_json=False, html=tmp_path / "deep" / "report.html")
    assert "an answer" in (tmp_path / "deep" / "report.html").read_text("utf-8")
    assert capsys.readouterr().out.split() == ["written:", str(tmp_path / "deep" / "report.html")]


def test_json_and_a_file_at_once_leave_stdout_to_the_json(tmp_path, capsys):
    deliver(ANSWER, PAGE, as_json=True, html=tmp_path / "report.html")
    printed = capsys.readouterr()
    assert json.loads(printed.out)["file"] == "x" and "report.html" in printed.err


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "no folder").write_text("a file")
    with pytest.raises(typer.Exit) as ended:
        deliver(ANSWER, PAGE, as_json=False, html=tmp_path / "no folder" / "report.html")
    assert ended.value.exit_code == 1 and "cannot be written" in capsys.readouterr().err


def test_numbers_of_numpy_are_numbers():
    import numpy as np

    assert plain({"a": np.float32(0.5), 1: (np.int64(3), np.bool_(True))}) == {"a": 0.5, "1": [3, True]}
