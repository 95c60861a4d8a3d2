"""Training: the verified base models, and what each recipe makes of one of them in a child process under DeepSpeed."""

from collections.abc import Iterator

import dagster as dg

from llmops_pipelines.lifecycle import training as stage
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.tracking import Tracking

from .product import Product
from .showing import check_result, shown
from .tracked import artifacts, dataset, everything, parameters, tags


def build(product: Product) -> list:
    """Assets `base_model` and `checkpoint` with its truth check, for each recipe of the pipeline and its candidates."""
    bases = {product.base_of(recipe): recipe for recipe in reversed(product.recipes)}
    trained = [part for recipe in product.recipes for part in _checkpoint(product, recipe)]
    return [*(_base(product, asset, recipe) for asset, recipe in bases.items()), *trained]


def _base(product: Product, name: str, recipe: str) -> dg.AssetsDefinition:
    words = product.recipes[recipe].base

    @product.asset(group="training", kinds={"huggingface"}, code=stage.CODES["base_model"], name=name)
    def base_model(home: Home) -> dg.MaterializeResult[Version]:
        """The pinned model that training starts from; its weights are compared with the sha256 in the recipe."""
        return shown(stage.base_model(home.lake(product.name), words, product.project, name))

    return base_model


def _checkpoint(product: Product, recipe: str) -> Iterator[dg.AssetsDefinition]:
    words, name = product.recipes[recipe], product.checkpoint_of(recipe)
    parents = {"base": product.base_of(recipe), "examples": product.examples_of(recipe)}

    @product.asset(
        group="training",
        kinds={"pytorch", "deepspeed"},
        code=stage.CODES["checkpoint"],
        name=name,
        reads=parents,
        pool="training",
    )
    def checkpoint(
        context: dg.AssetExecutionContext,
        base: Version,
        examples: Version,
        home: Home,
        tracking: Tracking,
        trainer: dg.PipesSubprocessClient,
    ) -> dg.MaterializeResult[Version]:
        """What a recipe trains: torchrun and DeepSpeed in a child process; a killed run resumes from its last checkpoint."""

        started: list[str] = []

        def run(command: list[str], env: dict[str, str]) -> None:
            with tracking.failing(started):
                trainer.run(context=context, command=command, env=env)

        def followed(fingerprint: str) -> stage.Tracking:
            started.append(tracking.start(product.name, name, fingerprint, tags(context)))
            return stage.Tracking(tracking.uri, started[0])

        lake = home.lake(product.name)
        version = stage.train(lake, base, examples, words, home.folder, product.project, run, followed, name)
        logged = everything(
            dataset(examples, "training"), parameters(recipe=words), artifacts(version, "loss.png", "truth.json")
        )
        page = tracking.record(version, tags(context), logged)
        return shown(version, table="training_log", pictures=["loss.png"], mlflow_run=page)

    @product.check(name, reads={"trained": name})
    def the_checkpoint_is_what_was_trained(trained: Version) -> dg.AssetCheckResult:
        """DeepSpeed trained it on this very base, it changes the answers, and what was saved equals what was in memory."""
        return check_result(stage.checkpoint_is_sound(trained))

    yield checkpoint
    yield the_checkpoint_is_what_was_trained
