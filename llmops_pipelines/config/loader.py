"""Reads the YAML files of people and reports every mistake in them at once, each with its line.

What is a mistake is said by the words themselves (`words`, `pipeline`, `recipe`); here they are found, placed and collected.
"""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from .mistakes import ConfigMistakes, Location, Mistake, explain, field_name
from .pipeline import Pipeline
from .recipe import Recipe
from .words import Words

RESERVED = ("blobs", "stores")  # folders of the lake
W = TypeVar("W", bound=Words)


def find_project(start: Path) -> Path:
    """The nearest folder at or above `start` that holds `configs/pipelines`; else the one this package lies in."""
    for folder in (start, *start.parents):
        if (folder / "configs" / "pipelines").is_dir():
            return folder
    return Path(__file__).resolve().parents[2]


def pipeline_files(project: Path) -> dict[str, Path]:
    """Name -> file of every pipeline of the project."""
    return {path.stem: path for path in sorted((project / "configs" / "pipelines").glob("*.yaml"))}


def load_pipeline(path: Path, project: Path) -> Pipeline:
    """Read one pipeline. Raises `ConfigMistakes` with every mistake in it and in the recipe that it names."""
    mistakes: list[Mistake] = []
    if not path.stem.isidentifier() or path.stem in RESERVED:
        reason = (
            f"got {path.stem!r}; expected letters, digits and _ (it names assets and folders), but not {' or '.join(RESERVED)}"
        )
        mistakes.append(Mistake(_shown(path, project), 1, "file name", reason))
    pipeline, recipe = None, None
    try:
        pipeline = load_words(path, project, Pipeline)
    except ConfigMistakes as error:
        mistakes += error.mistakes
    if (recipe := _named_recipe(path, project)) is not None:
        try:
            load_recipe(recipe, project)
        except ConfigMistakes as error:
            mistakes += error.mistakes
    if pipeline is None or mistakes:
        raise ConfigMistakes(mistakes)
    return pipeline


def load_recipe(path: Path, project: Path) -> Recipe:
    """Read one recipe. Raises `ConfigMistakes` with every mistake in it."""
    return load_words(path, project, Recipe)


def _named_recipe(path: Path, project: Path) -> Path | None:
    """The recipe that a pipeline names, even when the rest of the file is wrong."""
    try:
        named = project / yaml.safe_load(path.read_text("utf-8"))["training"]["recipe"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return None  # `load_words` has reported it
    return named if named.is_file() else None


def load_words(path: Path, project: Path, words: type[W]) -> W:
    shown = _shown(path, project)
    try:
        text = path.read_text("utf-8")
        node, value = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigMistakes([Mistake(shown, (mark.line if mark else 0) + 1, "file", f"not YAML: {error.problem}")]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigMistakes([Mistake(shown, 1, "file", f"cannot be read: {error}")]) from error
    lines, repeated = _lines(node)
    mistakes = [Mistake(shown, line, field_name(at), "is written twice; keep one") for at, line in repeated]
    try:
        settings = words.model_validate({} if value is None else value, context={"project": project})
    except ValidationError as error:
        for found in error.errors():
            line = next(lines[found["loc"][:size]] for size in range(len(found["loc"]), -1, -1) if found["loc"][:size] in lines)
            mistakes.append(Mistake(shown, line, field_name(found["loc"]), explain(found, words)))
        raise ConfigMistakes(mistakes) from None
    if mistakes:
        raise ConfigMistakes(mistakes)
    return settings


def _shown(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)


def _lines(root: yaml.Node | None) -> tuple[dict[Location, int], list[tuple[Location, int]]]:
    """Line of every field, and the fields that are written twice (which YAML would silently merge)."""
    lines: dict[Location, int] = {(): 1}
    repeated: list[tuple[Location, int]] = []

    def walk(node: yaml.Node | None, at: Location) -> None:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, child in node.value:
                here, line = (*at, key.value), key.start_mark.line + 1
                if key.value in seen:
                    repeated.append((here, line))
                seen.add(key.value)
                lines[here] = line
                walk(child, here)
        elif isinstance(node, yaml.SequenceNode):
            for place, child in enumerate(node.value):
                lines[(*at, place)] = child.start_mark.line + 1
                walk(child, (*at, place))

    walk(root, ())
    return lines, repeated
