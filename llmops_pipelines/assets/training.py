"""Training: the verified base models, and what each recipe makes of one of them in a child process under DeepSpeed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from llmops_pipelines.lifecycle import training as stage
from llmops_pipelines.lifecycle.evaluation.teaching import distillation_teacher
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.training.distillation import distil
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.tracking import Tracking

from .product import Product
from .showing import check_result, shown
from .tracked import artifacts, dataset, everything, parameters, tags

Run = Callable[[list[str], dict[str, str]], None]
Follow = Callable[[str], stage.Tracking]


def build(product: Product) -> list:
    """Assets `base_model` and `checkpoint` with its truth check, for each recipe of the pipeline and its candidates."""
    bases = {product.base_of(recipe): recipe for recipe in reversed(product.recipes)}
    trained = [part for recipe in product.recipes for part in _checkpoint(product, recipe)]
    return [*(_base(product, asset, recipe) for asset, recipe in bases.items()), *trained]


def in_child(
    context: dg.AssetExecutionContext,
    product: Product,
    asset: str,
    tracking: Tracking,
    trainer: dg.PipesSubprocessClient,
) -> tuple[Run, Follow]:
    """How a training process is started from a step, and which MLflow run it logs to; that one is failed if it fails."""
    started: list[str] = []

    def run(command: list[str], env: dict[str, str]) -> None:
        with tracking.failing(started):
            trainer.run(context=context, command=command, env=env)

    def followed(fingerprint: str) -> stage.Tracking:
        started.append(tracking.start(product.name, asset, fingerprint, tags(context)))
        return stage.Tracking(tracking.uri, started[0])

    return run, followed


def _base(product: Product, name: str, recipe: str) -> dg.AssetsDefinition:
    words = product.recipes[recipe].base

    @product.asset(group="training", kinds={"huggingface"}, code=stage.CODES["base_model"], name=name)
    def base_model(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Version]:
        """The pinned model that training starts from; its weights are compared with the sha256 in the recipe."""
        lake = home.lake(product.name)
        return _alone(context, product, name, lambda: shown(stage.base_model(lake, words, product.project, name)))

    return base_model


def _checkpoint(product: Product, recipe: str) -> Iterator[dg.AssetsDefinition]:
    words, name = product.recipes[recipe], product.checkpoint_of(recipe)
    parents = {"base": product.base_of(recipe), "examples": product.examples_of(recipe)}
    if words.teacher:
        taught_by = Path(words.teacher).stem
        parents |= {"teacher_base": product.base_of(taught_by), "teacher_checkpoint": product.checkpoint_of(taught_by)}

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
        **teacher: Version,
    ) -> dg.MaterializeResult[Version]:
        """What a recipe trains: torchrun and DeepSpeed in a child process; a killed run resumes from its last checkpoint."""
        return _alone(context, product, name, lambda: trained(context, home, tracking, trainer, base, examples, teacher))

    def trained(context, home, tracking, trainer, base, examples, teacher) -> dg.MaterializeResult[Version]:
        if base is None:
            raise stage.TrainingError(f"{parents['base']} has no version; see why in its log, then materialize it again")
        lake, places = home.lake(product.name), (home.folder, product.project)
        run, followed = in_child(context, product, name, tracking, trainer)
        if words.teacher:
            asked = distillation_teacher(product.recipes[Path(words.teacher).stem], **teacher)
            version = distil(lake, base, examples, *asked, words, *places, run, followed, name)
        else:
            version = stage.train(lake, base, examples, words, *places, run, followed, name)
        logged = everything(
            dataset(examples, "training"), parameters(recipe=words), artifacts(version, "loss.png", "truth.json")
        )
        page = tracking.record(version, tags(context), logged)
        return shown(version, table="training_log", pictures=["loss.png"], mlflow_run=page)

    @product.check(name, reads={"made": name}, blocking=name not in product.optional)
    def the_checkpoint_is_what_was_trained(made: Version) -> dg.AssetCheckResult:
        """DeepSpeed trained it on this very base, it changes the answers, and what was saved equals what was in memory."""
        if made is None:
            return check_result((False, {"reason": "it was not trained; see its log"}))
        return check_result(stage.checkpoint_is_sound(made))

    yield checkpoint
    yield the_checkpoint_is_what_was_trained


def _alone(
    context: dg.AssetExecutionContext, product: Product, asset: str, make: Callable[[], dg.MaterializeResult]
) -> dg.MaterializeResult:
    """What `make` makes. What only a candidate needs may fail alone: it is named, and left without a version."""
    try:
        return make()
    except Exception as error:  # the model is somebody else's, and so is whatever it raises
        if asset not in product.optional:
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        context.log.error(f"{asset}: {reason}", exc_info=error)
        return dg.MaterializeResult(value=None, metadata={"work": f"failed: {reason}"})
