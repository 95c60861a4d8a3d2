"""Hands versions from asset to asset: an output moves the asset's pointer in the lake, an input follows it, verified."""

import dagster as dg

from llmops_pipelines.lifecycle.lake import Version

from .home import Home


class LakeIOManager(dg.ConfigurableIOManager):
    """Assets return a `Version` and receive the current `Version` of what they depend on; no bytes pass through Dagster."""

    home: dg.ResourceDependency[Home]

    def handle_output(self, context: dg.OutputContext, obj: Version) -> None:
        pipeline, _ = context.asset_key.path
        self.home.lake(pipeline).point(obj)

    def load_input(self, context: dg.InputContext) -> Version:
        pipeline, asset = context.asset_key.path
        if version := self.home.lake(pipeline).current(asset):
            return version
        raise dg.Failure(
            f"{pipeline}/{asset} has never been materialized; materialize it first, or run `llmops run {pipeline}`"
        )
