"""The door to a Qdrant server, for pipelines whose YAML names a `url:`. The embedded index needs no door."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from llmops_pipelines.config.pipeline import Index

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


class VectorStore(dg.ConfigurableResource):
    """Connects to the server that a pipeline names; the API key comes from the environment variable `key_variable`."""

    key_variable: str = Field("QDRANT_API_KEY", description="Environment variable that holds the API key")
    timeout_seconds: int = Field(60, description="Longest wait for one answer of the server")

    def connector(self, index: Index) -> "Callable[[], QdrantClient] | None":
        """A function that opens a client, or None for the embedded index."""
        if index.url is None:
            return None

        def connect() -> "QdrantClient":
            from qdrant_client import QdrantClient

            return QdrantClient(url=index.url, api_key=os.environ.get(self.key_variable), timeout=self.timeout_seconds)

        return connect
