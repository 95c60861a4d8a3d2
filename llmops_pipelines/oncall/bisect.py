"""`llmops bisect`: since when. How that is found is `lifecycle/lineage/bisect.py`."""

from typing import Annotated

import typer

from llmops_pipelines.config.gate import STAGES
from llmops_pipelines.terminal import Name, complain, one_sentence

from .light import light_pyarrow
from .output import Html, Json, deliver
from .place import Place

Good = Annotated[
    int, typer.Argument(metavar="[GOOD]", help="Release that was good; without it, the oldest", min=0, show_default=False)
]
Bad = Annotated[
    int, typer.Argument(metavar="[BAD]", help="Release that is worse; without it, the live one", min=0, show_default=False)
]
Metric = Annotated[str, typer.Option("--metric", help="Score that fell; without it, the one of the gate")]
In = Annotated[str, typer.Option("--stage", help="dev, staging or production")]


def bisect(
    name: Name,
    good: Good = 0,
    bad: Bad = 0,
    metric: Metric = "",
    stage: In = "production",
    as_json: Json = False,
    html: Html = None,
) -> None:
    """Find the first release after which a score fell, by binary search over the releases with paired comparisons. Exit code 3
    when it fell, 1 when scores cannot be compared so far.

    Example: llmops bisect quickstart 1 20 --metric hit_at_5
    """
    from llmops_pipelines.lifecycle.lineage.bisect import bisect as search
    from llmops_pipelines.lifecycle.lineage.bisect import metric_of
    from llmops_pipelines.lifecycle.lineage.bisect_page import page

    if stage not in STAGES:
        complain(f"--stage: got {stage!r}; expected one of {', '.join(STAGES)}")
        raise typer.Exit(2)
    light_pyarrow()
    with one_sentence():
        place = Place.of(name)
        chosen = metric or metric_of(place.release(bad or None, stage))
        found = search(place.lake, place.history, good, bad, metric=chosen, stage=stage)
    deliver(found, page(found, name), as_json, html)
    raise typer.Exit(3 if found.found_fall else 1 if found.verdict == "incomparable" else 0)
