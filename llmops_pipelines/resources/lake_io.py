"""Hands versions from asset to asset: an output moves the asset's pointer in the lake, an input follows it, verified."""

import dagster as dg

from llmops_pipelines.lifecycle.lake import Version

from .home import Home

MAY_BE_MISSING = "llmops/may_be_missing"  # on an input: None is handed over where there is no version


class LakeIOManager(dg.ConfigurableIOManager):
    """Assets return a `Version` and receive the current `Version` of what they depend on; no bytes pass through Dagster."""

    home: dg.ResourceDependency[Home]

    def handle_output(self, context: dg.OutputContext, obj: "Version | dict[str, Version] | None") -> None:
        pipeline, asset = context.asset_key.path
        if obj is None:  # it failed, and only one candidate needs it
            self.home.lake(pipeline).unpoint(asset)
            return
        for version in obj.values() if isinstance(obj, dict) else [obj]:
            self.home.lake(pipeline).point(version)

    def load_input(self, context: dg.InputContext) -> "Version | dict[str, Version] | None":
        """One version; of a partitioned parent, the versions of its partitions by name."""
        pipeline, asset = context.asset_key.path
        lake = self.home.lake(pipeline)
        if context.has_asset_partitions:
            found = {name: lake.current(f"{asset}/{name}") for name in context.asset_partition_keys}
            return {name: version for name, version in found.items() if version}
        version = lake.current(asset)
        if version or context.definition_metadata.get(MAY_BE_MISSING):
            return version
        raise dg.Failure(
            f"{pipeline}/{asset} has never been materialized; materialize it first, or run `llmops run {pipeline}`"
        )
