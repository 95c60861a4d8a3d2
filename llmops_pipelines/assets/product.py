"""One pipeline as the builders see it: its name, its words, and the decorators that give every asset the same manners."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg

from llmops_pipelines.config.candidates import Candidate, ladder
from llmops_pipelines.config.documents import Source
from llmops_pipelines.config.embedder_recipe import EmbedderRecipe
from llmops_pipelines.config.pipeline import Pipeline
from llmops_pipelines.config.recipe import Recipe
from llmops_pipelines.lifecycle.evaluation import Parts
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.lake_io import MAY_BE_MISSING

ByPartition = dict[str, Version]
"""What a partitioned asset hands on: the current version of each source, or of each candidate."""


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
    recipes: dict[str, Recipe]
    """By the name of their file; the first is the pipeline's own, the others are those of its candidates."""
    project: Path
    embedder: EmbedderRecipe | None = None

    def key(self, asset: str) -> dg.AssetKey:
        return dg.AssetKey([self.name, asset])

    @cached_property
    def selection(self) -> dg.AssetSelection:
        return dg.AssetSelection.key_prefixes([self.name])

    @cached_property
    def by_source(self) -> dg.DynamicPartitionsDefinition:
        """One partition per source, so that one source is materialized, retried or left alone."""
        return dg.DynamicPartitionsDefinition(name=f"{self.name}/sources")

    @cached_property
    def by_candidate(self) -> dg.DynamicPartitionsDefinition:
        """One partition per candidate: each answers and is scored alone, and fails alone."""
        return dg.DynamicPartitionsDefinition(name=f"{self.name}/candidates")

    @cached_property
    def candidates(self) -> dict[str, Candidate]:
        """The ladder and the candidates of the YAML, by name."""
        return {candidate.name: candidate for candidate in ladder(self.pipeline)}

    def sync(self, instance: dg.DagsterInstance) -> None:
        """Make the partitions those of the YAML."""
        self.every_source(instance)
        self.every_candidate(instance)

    def every_source(self, instance: dg.DagsterInstance) -> dict[str, str]:
        """The tags of a run over all sources, which are made partitions before."""
        return _every(instance, self.by_source, [source.name for source in self.pipeline.documents])

    def every_candidate(self, instance: dg.DagsterInstance) -> dict[str, str]:
        """The tags of a run over all candidates, which are made partitions before."""
        return _every(instance, self.by_candidate, list(self.candidates))

    def sources(self, context: dg.AssetExecutionContext) -> Iterator[Source]:
        """The sources that a run of an asset partitioned by source is about."""
        return (source for source in self.pipeline.documents if source.name in context.partition_keys)

    def base_of(self, recipe: str) -> str:
        """Asset of the base model that a recipe starts from; recipes on the same weights share it."""
        weights = self.recipes[recipe].base.sha256
        first = next(name for name, each in self.recipes.items() if each.base.sha256 == weights)
        return _numbered("base_model", first, self.recipes)

    def checkpoint_of(self, recipe: str) -> str:
        """Asset of what a recipe trains."""
        return _numbered("checkpoint", recipe, self.recipes)

    def search_of(self, recipe: str) -> str:
        """Asset of the search over a recipe's settings."""
        return _numbered("search", recipe, self.recipes)

    def examples_of(self, recipe: str) -> str:
        """Asset of what a recipe learns from."""
        return "preference_pairs" if self.recipes[recipe].method == "dpo" else "training_examples"

    def training_of(self, recipe: str) -> list[str]:
        """Assets that training a recipe takes, when documents and index are there."""
        teacher = self.recipes[recipe].teacher
        written = ["written_pairs"] if self.pipeline.training.written_pairs else []
        before = self.training_of(Path(teacher).stem) if teacher else written
        return [*before, self.base_of(recipe), self.examples_of(recipe), self.checkpoint_of(recipe)]

    @cached_property
    def optional(self) -> frozenset[str]:
        """Assets of base models and checkpoints that only candidates with a recipe of their own need."""
        first = next(iter(self.recipes))
        needed = {self.base_of(first), self.checkpoint_of(first)}
        named = {asset for recipe in self.recipes for asset in (self.base_of(recipe), self.checkpoint_of(recipe))}
        return frozenset(named - needed)

    @property
    def compresses(self) -> bool:
        return any(candidate.compression != "none" for candidate in self.candidates.values())

    @property
    def models(self) -> list[str]:
        """Assets of all base models and checkpoints, and of the compressed models where there are any."""
        named = [(self.base_of(recipe), self.checkpoint_of(recipe)) for recipe in self.recipes]
        return [*dict.fromkeys(asset for pair in named for asset in pair), *(["compressed"] if self.compresses else [])]

    def parts(self, candidate: Candidate, models: Mapping[str, Version | ByPartition], **searched: Version) -> Parts:
        """What a candidate is made of: of all `models` (by asset) those of its recipe, and the index that it searches."""
        if candidate.recipe is None:
            return Parts(**searched)
        recipe = Path(candidate.recipe).stem
        checkpoint = models.get(self.checkpoint_of(recipe)) if candidate.model == "tuned" else None
        compressed = models.get("compressed", {}).get(candidate.name)
        return Parts(**searched, base=models.get(self.base_of(recipe)), checkpoint=checkpoint, compressed=compressed)

    def untuned(self, name: str) -> str | None:
        """The candidate that a fine-tuned one must beat: the same base, searching as it does, without the fine-tuning."""
        tuned = self.candidates[name]
        base = self.base_of(Path(tuned.recipe).stem)
        for other in self.candidates.values():
            same = other.recipe and self.base_of(Path(other.recipe).stem) == base
            if other.model == "base" and same and ("retrieve" in other.steps) == ("retrieve" in tuned.steps):
                return other.name
        return None

    def asset(
        self,
        *,
        group: str,
        kinds: set[str],
        code: str,
        name: str | None = None,
        follows: str | None = None,
        partitions: dg.DynamicPartitionsDefinition | None = None,
        reads: Mapping[str, str] = MappingProxyType({}),
        **options: Any,
    ) -> Callable[..., dg.AssetsDefinition]:
        """`@dg.asset` with the key `<pipeline>/<name or function name>`; its parents are the parameters of type `Version`
        and `ByPartition`, and `reads` (parameter -> asset) where names are known only when the YAML is read.

        An asset that `follows` one of them is requested when that one's content changes. What trains, scores or releases
        follows nothing: it runs nightly or when the corpus has drifted, and always as one job.
        """

        def wrap(function: Callable[..., Any]) -> dg.AssetsDefinition:
            parents = {parent: parent for parent in self._parents(function)} | dict(reads)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", dg.BetaWarning)  # `backfill_policy` is the only way to one run for all sources
                return dg.asset(
                    key=self.key(name or function.__name__),
                    ins={parameter: self._in(asset) for parameter, asset in parents.items()},
                    description=inspect.getdoc(function),
                    group_name=f"{self.name}/{group}",
                    owners=[self.pipeline.owner],
                    kinds=kinds,
                    code_version=code,
                    automation_condition=on_changed_data(self.key(follows)) if follows else None,
                    partitions_def=partitions,
                    backfill_policy=self._backfill(partitions),
                    **options,
                )(function)

        return wrap

    def of_each_candidate(self, *, kinds: set[str], code: str, pool: str) -> Callable[..., dg.AssetsDefinition]:
        """`asset` of the evaluation with a partition per candidate; the models of all are read as `**models`."""
        models = {model: model for model in self.models}
        return self.asset(group="evaluation", kinds=kinds, code=code, partitions=self.by_candidate, reads=models, pool=pool)

    def check(
        self, asset: str, *, blocking: bool = True, reads: Mapping[str, str] = MappingProxyType({})
    ) -> Callable[..., dg.AssetChecksDefinition]:
        """`@dg.asset_check` whose name is a sentence that is true when it passes. The parameter for `asset` itself has its
        name, or is named by `reads`."""

        def wrap(function: Callable[..., Any]) -> dg.AssetChecksDefinition:
            parents = {parent: parent for parent in self._parents(function) if parent not in reads} | dict(reads)
            others = {parameter: parent for parameter, parent in parents.items() if parent != asset}
            return dg.asset_check(
                asset=self.key(asset),
                blocking=blocking,
                description=inspect.getdoc(function),
                additional_ins={parameter: self._in(parent) for parameter, parent in others.items()},
            )(function)

        return wrap

    def _in(self, asset: str) -> dg.AssetIn:
        """A parent. Those of a candidate's own recipe may be missing: then that candidate fails, and nobody else."""
        own = {"metadata": {MAY_BE_MISSING: True}} if asset in self.optional else {}
        return dg.AssetIn(key=self.key(asset), **own)

    def _backfill(self, partitions: dg.DynamicPartitionsDefinition | None) -> dg.BackfillPolicy | None:
        """Sources share a run, whose start costs more than most of them; candidates have one each, side by side."""
        if partitions is None:
            return None
        return dg.BackfillPolicy.single_run() if partitions is self.by_source else dg.BackfillPolicy.multi_run()

    @staticmethod
    def _parents(function: Callable[..., Any]) -> list[str]:
        parameters = inspect.signature(function).parameters.values()
        named = (parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD)
        return [parameter.name for parameter in named if parameter.annotation in (Version, ByPartition)]


def _every(instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition, wanted: list[str]) -> dict[str, str]:
    name = str(partitions.name)
    for gone in set(instance.get_dynamic_partitions(name)) - set(wanted):
        instance.delete_dynamic_partition(name, gone)
    instance.add_dynamic_partitions(name, wanted)
    known = instance.get_dynamic_partitions(name)
    return {"dagster/asset_partition_range_start": known[0], "dagster/asset_partition_range_end": known[-1]}


def _numbered(asset: str, recipe: str, recipes: Mapping[str, Recipe]) -> str:
    """The pipeline's own recipe needs no name beside the asset's."""
    return asset if recipe == next(iter(recipes)) else f"{asset}_{recipe}"
