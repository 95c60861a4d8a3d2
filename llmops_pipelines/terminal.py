"""What all commands share: the two consoles, errors in one sentence with their exit codes, finding a pipeline by name, and
showing a page.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from llmops_pipelines.assets.product import Product
    from llmops_pipelines.lifecycle.lineage.page import Page

out, err = Console(highlight=False), Console(stderr=True, highlight=False)
PIPE = 160  # letters of a line where no terminal says how many there are
Name = Annotated[str, typer.Argument(metavar="PIPELINE", help="Name of a file in configs/pipelines, without .yaml")]


@contextmanager
def one_sentence() -> Iterator[None]:
    """What people can mend ends as one sentence: exit 2 for wrong settings or arguments, 1 for what stopped the work."""
    from llmops_pipelines.config.mistakes import ConfigMistakes
    from llmops_pipelines.lifecycle.lake import Refusal

    try:
        yield
    except ConfigMistakes as mistakes:
        complain(str(mistakes))
        raise typer.Exit(2) from None
    except Refusal as refusal:
        complain(str(refusal))
        raise typer.Exit(1) from None


def complain(sentence: str) -> None:
    err.print(sentence, style="red", markup=False, soft_wrap=True)


def show(page: "Page") -> None:
    """Print a page on stdout: as wide as the terminal, and in a file or pipe so wide that few cells are broken."""
    from llmops_pipelines.sheet import lines

    told = out if out.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=PIPE)
    for each in lines(page):
        told.print(each, soft_wrap=isinstance(each, Text), markup=False)


def product_of(name: str, recipe: str | None = None) -> "Product":
    """The pipeline of this name in the nearest project, with one recipe more if it is named; exit 2 when there is none."""
    from llmops_pipelines.config.loader import find_project, pipeline_files
    from llmops_pipelines.config.words import did_you_mean
    from llmops_pipelines.definitions import product

    project = find_project(Path.cwd())
    files = pipeline_files(project)
    if name not in files:
        folder, known = project / "configs" / "pipelines", ", ".join(files) or "none"
        complain(f"{folder}: no pipeline {name!r}; expected one of: {known}{did_you_mean(name, list(files))}")
        raise typer.Exit(2)
    also = [_recipe(project, recipe)] if recipe else []
    return product(name, files[name], project, also)


def _recipe(project: Path, name: str) -> str:
    from llmops_pipelines.config.words import did_you_mean

    folder = project / "configs" / "recipes"
    file = folder / f"{name}.yaml"
    if file.is_file() and re.search(r"^method:\s*embedder", file.read_text("utf-8"), re.MULTILINE):
        complain(f"{file}: tunes the embedding model; name it in training.embedder of a pipeline and materialize embedder")
        raise typer.Exit(2)
    if file.is_file():
        return f"configs/recipes/{name}.yaml"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    complain(f"{folder}: no recipe {name!r}; expected one of: {', '.join(known) or 'none'}{did_you_mean(name, known)}")
    raise typer.Exit(2)
