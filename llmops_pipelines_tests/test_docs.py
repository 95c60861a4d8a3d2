"""What the documentation promises exists: commands, targets, files, and a description for every setting."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from llmops_pipelines.cli import app
from llmops_pipelines.config.catalogue import Catalogue
from llmops_pipelines.config.datasets import PromptFile
from llmops_pipelines.config.embedder_recipe import EmbedderRecipe
from llmops_pipelines.config.mistakes import model_in
from llmops_pipelines.config.pipeline import Pipeline
from llmops_pipelines.config.recipe import Recipe

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_and_command_that_is_named_exists(page):
    text = page.read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    commands = {command.callback.__name__ for command in app.registered_commands}
    commands |= {group.name for group in app.registered_groups}
    assert set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", text, re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }
    assert set(re.findall(r"(?:bin/|`)llmops ([a-z]+)", text)) <= commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_project_path_leads_somewhere(page):
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    paths = re.findall(r"`((?:configs|docker|docs|llmops_pipelines(?:_tests)?)/[\w./-]+)`", text)
    assert [path for path in paths if not (PROJECT / path).exists()] == []


def test_the_makefile_helps_with_every_target():
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^([a-z-]+):(.*)$", makefile, re.MULTILINE)
    assert [name for name, rest in targets if "## " not in rest] == []


def settings(words: type[BaseModel], above: str = ""):
    for name, field in words.model_fields.items():
        inner = model_in(field.annotation)
        if inner is not None:
            yield from settings(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", field.description


@pytest.mark.parametrize("words", [Pipeline, Recipe, EmbedderRecipe, PromptFile, Catalogue])
def test_every_setting_is_described(words):
    assert [name for name, description in settings(words) if not description] == []


def test_every_section_of_the_pipeline_is_in_the_readme():
    readme = (PROJECT / "README.md").read_text("utf-8")
    sections = [name for name, field in Pipeline.model_fields.items() if model_in(field.annotation)]
    assert [section for section in sections if f"`{section}`" not in readme] == []
