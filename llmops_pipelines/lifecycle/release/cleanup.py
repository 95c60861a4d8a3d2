"""What of a pipeline may be removed: what neither the newest versions, nor a release, nor an unfinished training needs."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.config.gate import STAGES
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake import Removable, removable, remove

if TYPE_CHECKING:
    from llmops_pipelines.config.pipeline import Retention
    from llmops_pipelines.lifecycle.index import Connect
    from llmops_pipelines.lifecycle.lake import Lake

    from .history import History

RESUMED = ("training_examples", "preference_pairs", "distilled_examples", "base_model", "embedder_pairs", "hard_negatives")


def unneeded(lake: "Lake", history: "History", retention: "Retention", training: Path) -> list[Removable]:
    """What a clean-up would remove, with reasons. `training` is the folder of training runs that are not finished."""
    live = (history.live(stage) for stage in STAGES)
    kept = [*history.releases()[-retention.releases :], *history.unfinished(), *filter(None, live)]
    pinned = {part["fingerprint"] for release in kept for part in release.parts.values()}
    unfinished = training.is_dir() and any(training.glob("*/job.json"))
    resumed = {each.asset for each in lake.all_versions() if each.asset.startswith(RESUMED)}  # what a killed run goes on with
    return removable(lake, retention.versions, pinned, resumed if unfinished else ())


def clean(lake: "Lake", found: Iterable[Removable], connect: "Connect | None") -> int:
    """Remove what `unneeded` listed, also from a Qdrant server. Returns the bytes that came free on the disk."""
    listed = list(found)
    for each in listed:
        if each.version and each.version.asset == "index":
            index.drop(replace(lake, pipeline=each.version.pipeline), each.version, connect)
    return remove(listed)
