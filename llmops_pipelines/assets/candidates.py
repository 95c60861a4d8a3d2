"""Work that is done for each candidate: one that fails is named with its reason, and the others go on."""

from collections.abc import Callable

import dagster as dg

from llmops_pipelines.config.candidates import Candidate
from llmops_pipelines.lifecycle.lake import Lake, Version

from .product import ByPartition, Product


def for_each(
    product: Product,
    context: dg.AssetExecutionContext,
    lake: Lake,
    work: Callable[[str, Candidate], Version],
    only: Callable[[Candidate], bool] = lambda candidate: True,
) -> ByPartition:
    """`work` for each candidate that this run is about. One that failed is left out, and has no current version any more: its
    old one would be taken for new. Raises the first failure when all failed."""
    made: ByPartition = {}
    failures: list[Exception] = []
    for name in context.partition_keys:
        if not only(product.candidates[name]):
            context.add_asset_metadata({"work": "not done: it is not about this candidate"}, partition_key=name)
            continue
        try:
            made[name] = work(name, product.candidates[name])
        except Exception as error:  # a candidate is a model of somebody else: whatever it raises is its own failure
            failures.append(error)
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            context.log.error(f"{name}: {reason}", exc_info=error)
            context.add_asset_metadata({"work": f"failed: {reason}"}, partition_key=name)
            lake.unpoint(f"{context.asset_key.path[-1]}/{name}")
    if failures and not made:
        raise failures[0]
    return made
