"""Searches over a recipe's settings: a trial is one training on part of the examples, measured on the others."""

import dagster as dg

from llmops_pipelines.config.recipe import Recipe
from llmops_pipelines.lifecycle import training
from llmops_pipelines.lifecycle.evaluation.validation import examples_apart, token_f1_of
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.training import search as stage
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.tracking import Tracking

from .product import Product
from .showing import shown
from .tracked import artifacts, dataset, everything, parameters, tags
from .training import in_child


def build(product: Product) -> list:
    """An asset `search` for each recipe with a section of that name."""
    return [_search(product, recipe) for recipe, words in product.recipes.items() if words.search]


def _search(product: Product, recipe: str) -> dg.AssetsDefinition:
    words, name = product.recipes[recipe], product.search_of(recipe)
    parents = {"base": product.base_of(recipe), "examples": product.examples_of(recipe)}

    @product.asset(group="training", kinds={"optuna"}, code=stage.CODE, name=name, reads=parents, pool="training")
    def search(
        context: dg.AssetExecutionContext,
        base: Version,
        examples: Version,
        home: Home,
        tracking: Tracking,
        trainer: dg.PipesSubprocessClient,
    ) -> dg.MaterializeResult[Version]:
        """Better settings for a recipe: every trial with its value and losses, a plot, and the best recipe as YAML."""
        lake = home.lake(product.name)
        learnt, held = examples_apart(lake, examples, name)
        run, _ = in_child(context, product, name, tracking, trainer)

        def train_one(trial: Recipe, watch) -> Version:
            return training.train(lake, base, learnt, trial, home.folder, product.project, watch(run), name=f"{name}_trial")

        def measure(trained: Version) -> float:
            return token_f1_of(base, trained, held)

        def told(fingerprint: str) -> stage.Told:
            own = tracking.start(product.name, name, fingerprint, tags(context))
            return stage.nested_runs(training.Tracking(tracking.uri, own))

        places = (home.folder, product.project)
        version = stage.search(lake, words, words.search, [base, learnt, held], train_one, measure, *places, told, name)
        logged = everything(
            dataset(examples, "training"), parameters(recipe=words), artifacts(version, "trials.png", "best.yaml")
        )
        page = tracking.record(version, tags(context), logged)
        return shown(version, table="trials", pictures=["trials.png"], mlflow_run=page)

    return search
