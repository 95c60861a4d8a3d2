"""What every examination gets: one pipeline, its home, and Dagster's storage where there is one. Opened for reading only."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg

from llmops_pipelines.assets.product import Product
from llmops_pipelines.definitions import graph, resources
from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.history import History, Release
from llmops_pipelines.resources.home import Home


@dataclass(frozen=True)
class Case:
    """One pipeline at one moment. `instance` is None while nothing was ever run; `now` is seconds since 1970, in UTC."""

    product: Product
    home: Home
    instance: dg.DagsterInstance | None
    now: float

    @property
    def name(self) -> str:
        return self.product.name

    @cached_property
    def lake(self) -> Lake:
        return self.home.lake(self.name)

    @cached_property
    def history(self) -> History:
        return self.home.history(self.name)

    @cached_property
    def live(self) -> Release | None:
        return self.history.live()

    @cached_property
    def definitions(self) -> dg.Definitions:
        return graph([self.product], resources(self.product.project))

    @cached_property
    def assets(self):
        """The pipeline's asset graph as Dagster resolves it."""
        return self.definitions.resolve_asset_graph()

    def downstream(self, key: dg.AssetKey) -> list[str]:
        """Names of the assets that are made from one, directly or not."""
        below = dg.AssetSelection.assets(key).downstream(include_self=False).resolve(self.assets)
        return sorted(each.path[-1] for each in below)

    def owns(self, run: dg.DagsterRun) -> bool:
        """Whether a run is one of this pipeline's jobs, or materializes assets by hand and may mean those of this one."""
        selected = {key.path[0] for key in run.asset_selection or ()}
        by_hand = run.job_name.startswith("__") and not selected  # Dagster's own jobs; without a selection all assets are meant
        return run.job_name.startswith(f"{self.name}__") or self.name in selected or by_hand

    def stands_on(self, asset: str) -> bool:
        """Whether the live release pins the asset's current version."""
        if self.live is None:
            return False
        pinned = {(self.live.asset(role), part["fingerprint"]) for role, part in self.live.parts.items()}
        return (asset, self.lake.current_fingerprint(asset)) in pinned


@contextmanager
def opened(home: Home) -> Iterator[dg.DagsterInstance | None]:
    """Dagster's storage as it is; None where there is none yet, since opening it would make one."""
    folder = Path(os.environ.get("DAGSTER_HOME") or home.folder / "dagster").resolve()
    settings = folder / "dagster.yaml"
    if not settings.is_file() or not (_elsewhere(settings) or (folder / "history").is_dir()):
        yield None
        return
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def _elsewhere(settings: Path) -> bool:
    """Whether the storage is no folder beside the settings, but a database that they name."""
    return re.search(r"^(storage|run_storage):", settings.read_text("utf-8"), re.MULTILINE) is not None
