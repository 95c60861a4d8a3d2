"""`llmops at`: what was live at a time, who had moved it, and on what evidence."""

from typing import Annotated

import typer

from llmops_pipelines.config.gate import STAGES
from llmops_pipelines.terminal import Name, complain, one_sentence

from .output import Html, Json, deliver
from .place import Place

When = Annotated[str, typer.Argument(metavar="TIME", help="Such as 2026-11-20T14:30, in UTC or with an offset")]
In = Annotated[str, typer.Option("--stage", help="dev, staging or production")]


def at(name: Name, when: When, stage: In = "production", as_json: Json = False, html: Html = None) -> None:
    """Say which release was live at a time, who had moved it and why, its scores, and when it was replaced.

    Example: [bold]llmops at quickstart 2026-11-20T14:30[/bold]
    """
    from llmops_pipelines.lifecycle.lineage.traces.moment import moment_page, was_live

    if stage not in STAGES:
        complain(f"--stage: got {stage!r}; expected one of {', '.join(STAGES)}")
        raise typer.Exit(2)
    with one_sentence():
        place = Place.of(name)
        found = was_live(place.lake, place.history, when, stage)
        deliver(found, moment_page(found), as_json, html)
