"""How every on-call command answers: in the terminal, as JSON for programs, or as one HTML file to pass on."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from llmops_pipelines.lifecycle.lake import Refusal, files
from llmops_pipelines.lifecycle.lineage.html import render
from llmops_pipelines.lifecycle.lineage.page import Page
from llmops_pipelines.terminal import err, one_sentence, out, show

Json = Annotated[bool, typer.Option("--json", help="For programs")]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="As one HTML file, readable without a network")
]


class UnwritableReport(Refusal):
    """The file of a report cannot be written."""


def deliver(answer: Any, page: Page, as_json: bool, html: Path | None) -> None:
    """Print the answer once: its JSON on stdout, or a line that names the HTML file, or else the page in the terminal.

    `answer` is a dataclass or plain values; what JSON cannot say (NaN, infinity) becomes null. Exit 1 when the file cannot
    be written.
    """
    with one_sentence():
        if html:
            _write(html, page)
    if as_json:
        typer.echo(json.dumps(plain(answer), indent=1, ensure_ascii=False))
    if html:
        (err if as_json else out).print(f"written: {html}", markup=False, soft_wrap=True)
    if not as_json and not html:
        show(page)


def plain(value: Any) -> Any:
    """Values as JSON knows them: dataclasses and mappings as objects, sets as sorted lists, paths and times as text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(each) for each in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return plain(value.item()) if hasattr(value, "item") else str(value)


def _write(path: Path, page: Page) -> None:
    try:
        files.replace(path, render(page).encode("utf-8"))
    except OSError as error:
        raise UnwritableReport(
            f"--html: {path} cannot be written ({error.strerror}); name a file in a folder of yours"
        ) from error
