"""One pipeline as the builders see it: its name, its words, and the decorators that give every asset the same manners."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from llmops_pipelines.config.documents import Source
from llmops_pipelines.config.pipeline import Pipeline
from llmops_pipelines.config.recipe import Recipe
from llmops_pipelines.lifecycle.lake import Version

BySource = dict[str, Version]
"""What an asset that is partitioned by source hands on: the current version of each source."""


def on_changed_data(parent: dg.AssetKey) -> dg.AutomationCondition:
    """Fires when `parent` has other content than before and its blocking checks passed; a mere re-run of it fires nothing."""
    changed = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    return (
        changed.allow(dg.AssetSelection.assets(parent)).since_last_handled()
        & ~dg.AutomationCondition.any_deps_missing()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    ).with_label(f"on_changed_data of {parent.path[-1]}")


@dataclass(frozen=True)
class Product:
    """A pipeline file, read: the second argument of every builder is made from it."""

    name: str
    pipeline: Pipeline
    recipe: Recipe
    project: Path

    def key(self, asset: str) -> dg.AssetKey:
        return dg.AssetKey([self.name, asset])

    @cached_property
    def selection(self) -> dg.AssetSelection:
        return dg.AssetSelection.key_prefixes([self.name])

    @cached_property
    def partitions(self) -> dg.DynamicPartitionsDefinition:
        """One partition per source, so that one source is materialized, retried or left alone."""
        return dg.DynamicPartitionsDefinition(name=f"{self.name}/sources")

    def sync_sources(self, instance: dg.DagsterInstance) -> dict[str, str]:
        """Make the partitions those of the YAML. Returns the tags of a run over all of them."""
        name, wanted = str(self.partitions.name), [source.name for source in self.pipeline.documents]
        for gone in set(instance.get_dynamic_partitions(name)) - set(wanted):
            instance.delete_dynamic_partition(name, gone)
        instance.add_dynamic_partitions(name, wanted)
        known = instance.get_dynamic_partitions(name)
        return {"dagster/asset_partition_range_start": known[0], "dagster/asset_partition_range_end": known[-1]}

    def sources(self, context: dg.AssetExecutionContext) -> Iterator[Source]:
        """The sources that a run of an asset partitioned by source is about."""
        return (source for source in self.pipeline.documents if source.name in context.partition_keys)

    def asset(
        self,
        *,
        group: str,
        kinds: set[str],
        code: str,
        follows: str | None = None,
        by_source: bool = False,
        **options: Any,
    ) -> Callable[..., dg.AssetsDefinition]:
        """`@dg.asset` with the key `<pipeline>/<function name>`; parameters of type `Version` or `BySource` are its parents.

        An asset that `follows` one of them is requested when that one's content changes. What trains, scores or releases
        follows nothing: it runs nightly or when the corpus has drifted, and always as one job.
        """

        def wrap(function: Callable[..., Any]) -> dg.AssetsDefinition:
            parents = self._parents(function)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", dg.BetaWarning)  # `backfill_policy` is the only way to one run for all sources
                return dg.asset(
                    key=self.key(function.__name__),
                    ins={parent: dg.AssetIn(key=self.key(parent)) for parent in parents},
                    description=inspect.getdoc(function),
                    group_name=f"{self.name}/{group}",
                    owners=[self.pipeline.owner],
                    kinds=kinds,
                    code_version=code,
                    automation_condition=on_changed_data(self.key(follows)) if follows else None,
                    partitions_def=self.partitions if by_source else None,
                    backfill_policy=dg.BackfillPolicy.single_run() if by_source else None,
                    **options,
                )(function)

        return wrap

    def check(self, asset: str, *, blocking: bool = True) -> Callable[..., dg.AssetChecksDefinition]:
        """`@dg.asset_check` whose name is a sentence that is true when it passes."""

        def wrap(function: Callable[..., Any]) -> dg.AssetChecksDefinition:
            others = [parent for parent in self._parents(function) if parent != asset]
            return dg.asset_check(
                asset=self.key(asset),
                blocking=blocking,
                description=inspect.getdoc(function),
                additional_ins={parent: dg.AssetIn(key=self.key(parent)) for parent in others},
            )(function)

        return wrap

    @staticmethod
    def _parents(function: Callable[..., Any]) -> list[str]:
        parameters = inspect.signature(function).parameters.values()
        return [parameter.name for parameter in parameters if parameter.annotation in (Version, BySource)]
