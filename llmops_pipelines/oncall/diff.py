"""`llmops diff`: two releases side by side. What differs is found by `lifecycle/lineage/difference`."""

from typing import Annotated

import typer

from llmops_pipelines.terminal import Name, one_sentence

from .output import Html, Json, deliver

Before = Annotated[int, typer.Argument(metavar="BEFORE", help="Number of a release", min=1)]
After = Annotated[int, typer.Argument(metavar="AFTER", help="Number of the release to lay beside it", min=1)]
Metric = Annotated[str, typer.Option("--metric", help="Whose questions are shown; without it, the one of the gate")]


def diff(name: Name, before: Before, after: After, metric: Metric = "", as_json: Json = False, html: Html = None) -> None:
    """Lay two releases side by side: documents, chunks, training rows, settings, prompts, packages, scores, and the questions
    that flipped. Exit code 3 when they are not the same bundle.

    Example: llmops diff quickstart 3 4 --html diff.html
    """
    from llmops_pipelines.lifecycle.lineage.difference import Side, compare, page_of
    from llmops_pipelines.lifecycle.lineage.graph import Records

    from .light import light_pyarrow
    from .place import Place

    light_pyarrow()
    with one_sentence():
        place = Place.of(name)
        records = Records(place.lake)
        sides = [Side.of(place.lake, place.history.record(epoch), records) for epoch in (before, after)]
        found = compare(*sides, metric)
    deliver(found, page_of(found), as_json, html)
    raise typer.Exit(0 if found.same else 3)
