"""Compressed models: what candidates with `compression` answer with. They are evaluated as what would be served."""

import dagster as dg

from llmops_pipelines.config.candidates import Candidate
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.training import compression as stage
from llmops_pipelines.resources.home import Home

from .candidates import for_each
from .product import ByPartition, Product
from .showing import check_result, shown_by_partition


def build(product: Product) -> list:
    """Asset `compressed` per candidate and its check, if a candidate asks for it."""
    if not product.compresses:
        return []
    models = [model for model in product.models if model != "compressed"]

    @product.asset(
        group="training",
        kinds={"pytorch"},
        code=stage.CODE,
        partitions=product.by_candidate,
        reads={model: model for model in models},
        pool="training",
    )
    def compressed(context: dg.AssetExecutionContext, home: Home, **models: Version) -> dg.MaterializeResult[ByPartition]:
        """Adapter and base as one model, or its weights in 8 bits: size before and after, and how far its answers moved."""
        lake = home.lake(product.name)

        def work(name: str, candidate: Candidate) -> Version:
            made = product.parts(candidate, models)
            return stage.compress(lake, made.base, made.checkpoint, candidate.compression, name)

        return shown_by_partition(context, for_each(product, context, lake, work, only=lambda each: each.compression != "none"))

    @product.check("compressed", blocking=False)  # the gate's scores are those of the compressed model itself
    def it_answers_like_the_original(compressed: ByPartition) -> dg.AssetCheckResult:
        """Each compressed model gives the logits of the original up to the rounding of its number format."""
        found = {name: stage.compressed_is_sound(version) for name, version in compressed.items()}
        return check_result((all(sound for sound, _ in found.values()), {name: str(told) for name, (_, told) in found.items()}))

    return [compressed, it_answers_like_the_original]
