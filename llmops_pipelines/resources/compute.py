"""The door to where bulk work runs: this machine's cores, or a Ray cluster for pipelines that say `compute: ray`."""

import os

import dagster as dg
from pydantic import Field

from llmops_pipelines.config.pipeline import Pipeline
from llmops_pipelines.lifecycle import compute


class Compute(dg.ConfigurableResource):
    """Without an address a Ray cluster of this machine is started for the run."""

    address: str | None = Field(None, description="Head of a Ray cluster, such as ray://head:10001")

    @classmethod
    def from_environment(cls) -> "Compute":
        """The address in RAY_ADDRESS."""
        return cls(address=os.environ.get("RAY_ADDRESS"))

    def of(self, pipeline: Pipeline, context: dg.AssetExecutionContext) -> compute.Compute:
        """Where the stages of this pipeline run. Connects to Ray once per process."""
        if pipeline.compute == "local":
            return compute.Local()
        self._connect(context)
        from llmops_pipelines.lifecycle.compute.on_ray import OnRay

        return OnRay()

    def _connect(self, context: dg.AssetExecutionContext) -> None:
        try:
            import ray
            from dagster_ray import LocalRay
        except ImportError as error:
            raise dg.Failure(
                "compute: ray needs the extra `ray`; install it with: pip install -c constraints.txt -e '.[ray]'"
            ) from error
        if ray.is_initialized():
            return
        options = {"include_dashboard": False, "log_to_driver": False} if self.address is None else {}
        address = self.address

        class Cluster(LocalRay):
            @property
            def ray_address(self) -> str | None:
                return address

        Cluster(ray_init_options=options).connect(context)
