"""Training: the verified base model, and the LoRA checkpoint that a child process under DeepSpeed makes from it."""

import dagster as dg

from llmops_pipelines.lifecycle import training as stage
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.tracking import Tracking

from .product import Product
from .showing import check_result, shown
from .tracked import artifacts, dataset, everything, parameters, tags


def build(product: Product) -> list:
    """Assets `base_model` and `checkpoint`, and the truth checks on the adapter."""
    recipe = product.recipe

    @product.asset(group="training", kinds={"huggingface"}, code=stage.CODES["base_model"])
    def base_model(home: Home) -> dg.MaterializeResult[Version]:
        """The pinned model that training starts from; its weights are compared with the sha256 in the recipe."""
        return shown(stage.base_model(home.lake(product.name), recipe.base, product.project))

    @product.asset(group="training", kinds={"pytorch", "deepspeed"}, code=stage.CODES["checkpoint"], pool="training")
    def checkpoint(
        context: dg.AssetExecutionContext,
        base_model: Version,
        training_examples: Version,
        home: Home,
        tracking: Tracking,
        trainer: dg.PipesSubprocessClient,
    ) -> dg.MaterializeResult[Version]:
        """A LoRA adapter: PEFT, torchrun and DeepSpeed in a child process; a killed run resumes from its last checkpoint."""

        started: list[str] = []

        def run(command: list[str], env: dict[str, str]) -> None:
            with tracking.failing(started):
                trainer.run(context=context, command=command, env=env)

        def followed(fingerprint: str) -> stage.Tracking:
            started.append(tracking.start(product.name, "checkpoint", fingerprint, tags(context)))
            return stage.Tracking(tracking.uri, started[0])

        lake = home.lake(product.name)
        version = stage.train(lake, base_model, training_examples, recipe, home.folder, product.project, run, followed)
        logged = everything(
            dataset(training_examples, "training"), parameters(recipe), artifacts(version, "loss.png", "truth.json")
        )
        page = tracking.record(version, tags(context), logged)
        return shown(version, table="training_log", pictures=["loss.png"], mlflow_run=page)

    @product.check("checkpoint")
    def the_adapter_is_what_was_trained(checkpoint: Version) -> dg.AssetCheckResult:
        """DeepSpeed trained it on this very base, it changes the answers, and what was saved equals what was in memory."""
        return check_result(stage.checkpoint_is_sound(checkpoint))

    return [base_model, checkpoint, the_adapter_is_what_was_trained]
