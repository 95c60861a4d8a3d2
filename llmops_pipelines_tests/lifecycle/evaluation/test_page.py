"""What docs/evaluation.md shows can be read by the code that it is about."""

import json
import re
from pathlib import Path

import yaml

from llmops_pipelines.config.evaluation import JUDGED, Evaluation
from llmops_pipelines.lifecycle.evaluation import plots
from llmops_pipelines.lifecycle.evaluation.judge.anchors import Anchor
from llmops_pipelines.lifecycle.evaluation.retrieval_metrics import MEASURES

PAGE = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_yaml_is_valid():
    found = [Evaluation.model_validate(yaml.safe_load(block)["evaluation"]) for block in blocks("yaml")]
    assert [bool(each.judge) for each in found] == [True, False] and found[1].bias.questions == 100


def test_the_anchor_is_valid():
    assert [Anchor.model_validate(json.loads(block)).id for block in blocks("json")] == ["a-1"]


def test_every_metric_is_on_the_page_and_has_a_name_in_the_figures():
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {*plots.ANSWERS, *plots.PASSAGES, *JUDGED, *MEASURES} <= named
    assert {*JUDGED, *MEASURES} <= {*plots.ANSWERS, *plots.PASSAGES}
