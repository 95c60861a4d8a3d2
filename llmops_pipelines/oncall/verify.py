"""`llmops verify`: whether a release is still what was decided about, or every file of a lake what was written."""

from functools import cache
from typing import Annotated

import typer

from llmops_pipelines.terminal import Name, err, one_sentence

from .output import Html, Json, deliver
from .place import Place

Epoch = Annotated[
    int | None, typer.Argument(metavar="[RELEASE]", help="Number of a release; without it, every file of the lake", min=1)
]


def verify(name: Name, release: Epoch = None, as_json: Json = False, html: Html = None) -> None:
    """Recompute the digests along the whole graph of a release, and name the first record that does not match: its record, the
    alias in MLflow, each version down to the bytes of its sources. Without RELEASE, hash every file of every version and store.
    Exit code 3 when something does not match.

    Example: [bold]llmops verify quickstart 3[/bold]
    """
    from llmops_pipelines.lifecycle.lineage.verification import page, verify, verify_all

    with one_sentence():
        place = Place.of(name)
        with err.status("hashing"):
            parts = (place.lake, place.history)
            found = verify(*parts, release, cache(lambda: _registry(place))) if release else verify_all(*parts)
    deliver(found, page(found), as_json, html)
    raise typer.Exit(0 if found.sound else 3)


def _registry(place: Place):
    """MLflow, opened when the alias is looked at and not before."""
    from llmops_pipelines.lifecycle.release.registry import Registry
    from llmops_pipelines.resources.home import Home
    from llmops_pipelines.resources.tracking import Tracking

    tracking = Tracking.from_environment(Home(path=str(place.home)))
    return Registry(tracking.client(), place.name)
