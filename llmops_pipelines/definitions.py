"""What `workspace.yaml` names: every file of configs/pipelines becomes one lineage graph in this code location."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from llmops_pipelines.assets import (
    automation,
    compression,
    corpus,
    datasets,
    embedder,
    evaluation,
    index,
    monitoring,
    probes,
    regression,
    release,
    search,
    training,
)
from llmops_pipelines.assets.product import Product
from llmops_pipelines.config.embedder_recipe import EmbedderRecipe
from llmops_pipelines.config.loader import find_project, load_pipeline, load_recipe, load_words, pipeline_files
from llmops_pipelines.config.mistakes import ConfigMistakes
from llmops_pipelines.config.recipe import Recipe
from llmops_pipelines.resources.alerts import Alerts
from llmops_pipelines.resources.compute import Compute
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.lake_io import LakeIOManager
from llmops_pipelines.resources.secrets import Secrets
from llmops_pipelines.resources.tracking import Tracking
from llmops_pipelines.resources.vector_store import VectorStore

STAGES = (
    corpus,
    index,
    datasets,
    training,
    search,
    embedder,
    compression,
    evaluation,
    probes,
    release,
    regression,
    monitoring,
    automation,
)


def product(name: str, file: Path, project: Path, also: Sequence[str] = ()) -> Product:
    """Read one pipeline, its recipes and those in `also`. Raises `ConfigMistakes`."""
    pipeline = load_pipeline(file, project)
    files = [pipeline.training.recipe, *(candidate.recipe for candidate in pipeline.candidates if candidate.recipe), *also]
    recipes: dict[str, Recipe] = {}
    while files := [file for file in dict.fromkeys(files) if Path(file).stem not in recipes]:
        recipes |= {Path(file).stem: load_recipe(project / file, project) for file in files}
        files = [recipe.teacher for recipe in recipes.values() if recipe.teacher]
    tuned = pipeline.training.embedder
    embedder_recipe = load_words(project / tuned, project, EmbedderRecipe) if tuned else None
    return Product(name, pipeline, recipes, project, embedder_recipe)


def graph(products: list[Product], resources: dict, **extra) -> dg.Definitions:
    """The definitions of all products; tests pass resources of their own."""
    parts = [part for each in products for stage in STAGES for part in stage.build(each)]

    def of(*kinds: type) -> list:
        return [part for part in parts if isinstance(part, kinds)]

    checks = of(dg.AssetChecksDefinition)
    return dg.Definitions(
        assets=[part for part in of(dg.AssetsDefinition) if part not in checks],
        asset_checks=checks,
        jobs=[part for part in parts if type(part).__name__ in ("UnresolvedAssetJobDefinition", "JobDefinition")],
        schedules=of(dg.ScheduleDefinition),
        sensors=of(dg.SensorDefinition),
        resources=resources,
        executor=dg.in_process_executor,
        **extra,
    )


def resources(project: Path) -> dict:
    """The doors, by role, as the environment sets them."""
    home = Home.from_environment(project)
    return {
        "home": home,
        "io_manager": LakeIOManager(home=home),
        "tracking": Tracking.from_environment(home),
        "vector_store": VectorStore(),
        "secrets": Secrets.from_environment(),
        "compute": Compute.from_environment(),
        "alerts": Alerts.from_environment(home),
        "trainer": dg.PipesSubprocessClient(forward_termination=True, termination_timeout_seconds=20),
    }


def load(project: Path) -> dg.Definitions:
    """Everything below `configs/pipelines` of a project. Raises `ConfigMistakes` with those of all files."""
    products, mistakes = [], []
    for name, file in pipeline_files(project).items():
        try:
            products.append(product(name, file, project))
        except ConfigMistakes as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigMistakes(mistakes)
    return graph(products, resources(project))


@dg.definitions
def defs() -> dg.Definitions:
    return load(find_project(Path.cwd()))
