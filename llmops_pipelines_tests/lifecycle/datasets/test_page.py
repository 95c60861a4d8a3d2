"""The examples on the page docs/datasets.md are what the settings and files really take."""

import json
import re

import pytest
import yaml

from llmops_pipelines.config.datasets import Decontamination, Feedback, WrittenPairs
from llmops_pipelines.lifecycle.datasets.feedback import Line
from llmops_pipelines.lifecycle.datasets.question_files import Row

WORDS = {"decontamination": Decontamination, "feedback": Feedback, "written_pairs": WrittenPairs}


@pytest.fixture
def page(project) -> str:
    return (project / "docs" / "datasets.md").read_text("utf-8")


def test_sections_can_be_read(page, project):
    read = {}
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        for name, section in yaml.safe_load(block)["training"].items():
            read[name] = WORDS[name].model_validate(section, context={"project": project})
    assert read.keys() == WORDS.keys()
    assert read["decontamination"] == Decontamination()


def test_lines_can_be_read(page):
    lines = [json.loads(line) for line in re.findall(r"^\{.*\}$", page, re.MULTILINE)]
    kinds = [Line if "rating" in line else Row for line in lines]
    assert [type(kind.model_validate(line, strict=True)) for kind, line in zip(kinds, lines, strict=True)] == [Row, Row, Line]
