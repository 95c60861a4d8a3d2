"""Files that people write one JSON object per line: read whole, every fault of every file named at once by file and line.

What a line may say is a `Words` class of `question_files.py` or `feedback.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from llmops_pipelines.config.words import Words
from llmops_pipelines.lifecycle.lake import Refusal

BOM = "\ufeff".encode()
W = TypeVar("W", bound=Words)


class QuestionsError(Refusal):
    """Questions, feedback, or what is made of them cannot be used; the message names every fault."""


def read(setting: str, path: str, project: Path, line_of: type[W]) -> Iterator[tuple[str, W | list[str]]]:
    """(`file:line`, the row or its faults) of each line that is not blank, file by file. `path` is a folder or a pattern,
    `setting` its name in the YAML. Raises `QuestionsError` when no file is there."""
    folder = project / path
    anchor = Path(folder.anchor)
    files = sorted(folder.rglob("*.jsonl") if folder.is_dir() else anchor.glob(folder.relative_to(anchor).as_posix()))
    if not files:
        raise QuestionsError(f"{setting}: no JSON Lines file matches {path!r} below {project}")
    for file in files:
        name = file.relative_to(project) if file.is_relative_to(project) else file
        for number, line in enumerate(file.read_bytes().removeprefix(BOM).split(b"\n"), start=1):
            if line.strip():
                yield f"{name}:{number}", _row(line, line_of)


def _row(line: bytes, line_of: type[W]) -> W | list[str]:
    try:
        return line_of.model_validate(json.loads(line.decode("utf-8")), strict=True)
    except UnicodeDecodeError as error:
        return [f"line: not UTF-8 (byte {error.start + 1})"]
    except json.JSONDecodeError as error:
        return [f"line: not JSON ({error.msg} at column {error.colno})"]
    except RecursionError:
        return ["line: nested too deeply"]
    except ValidationError as error:
        return [_fault(part) for part in error.errors()]


def _fault(part: Any) -> str:
    field = ".".join(map(str, part["loc"]))
    message = part["msg"].removeprefix("Value error, ")
    value = json.dumps(part["input"], ensure_ascii=False).encode("utf-8", "replace").decode()[:60]
    shown = "" if part["type"] in ("missing", "value_error") else f" (it is {value})"
    return f"{field}: {message}{shown}" if field else message
