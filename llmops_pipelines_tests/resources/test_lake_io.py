"""Versions from asset to asset: what is missing stops a run, except where only one candidate needs it."""

import dagster as dg
import pytest

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.resources.lake_io import MAY_BE_MISSING, LakeIOManager

KEY = dg.AssetKey(["shop", "checkpoint"])


@pytest.fixture
def manager(home) -> LakeIOManager:
    return LakeIOManager(home=home)


def asked(**metadata) -> dg.InputContext:
    return dg.build_input_context(asset_key=KEY, definition_metadata=metadata)


def version(lake: Lake):
    return lake.once("checkpoint", code="1", config={}, parents=[], write=lambda draft: draft.json("x", 1))


def test_an_output_is_what_the_next_asset_gets(manager, home):
    made = version(home.lake("shop"))
    manager.handle_output(dg.build_output_context(asset_key=KEY), made)
    assert manager.load_input(asked()).digest == made.digest


def test_what_was_never_materialized_stops_the_run_with_a_way_out(manager):
    with pytest.raises(dg.Failure, match="shop/checkpoint has never been materialized; .* `llmops run shop`"):
        manager.load_input(asked())


def test_what_one_candidate_needs_may_be_missing(manager, home):
    lake = home.lake("shop")
    lake.point(version(lake))
    manager.handle_output(dg.build_output_context(asset_key=KEY), None)  # its newest training failed
    assert manager.load_input(asked(**{MAY_BE_MISSING: True})) is None
