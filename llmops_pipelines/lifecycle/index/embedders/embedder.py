"""The embedding model of a pipeline, wherever it runs: texts to unit vectors. Cheap until the first text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Embeddings

from . import encoder, endpoint
from .endpoint import EndpointEncoder, Secrets
from .model_files import ModelFiles

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Embedder:
    """A model that is ready to be asked. With an endpoint `model` is only the tokenizer that counts."""

    model: ModelFiles
    secrets: Secrets | None = field(default=None, repr=False, compare=False)

    @classmethod
    def open(cls, settings: Embeddings, secrets: Secrets | None = None) -> "Embedder":
        """Find the model's files. `secrets` gives the value of an environment variable: the key of an endpoint.

        Raises IndexingError when the files are not on this machine.
        """
        return cls(ModelFiles.find(settings), secrets)

    @property
    def settings(self) -> Embeddings:
        return self.model.settings

    @property
    def fingerprint(self) -> str:
        """Identity of the vectors; stores and indexes are kept by it."""
        return endpoint.fingerprint(self.settings.endpoint) if self.settings.endpoint else self.model.fingerprint

    @property
    def dimension(self) -> int:
        return self.settings.endpoint.dimension if self.settings.endpoint else self.model.dimension

    @property
    def name(self) -> str:
        """What a person calls the model."""
        return self.settings.endpoint.model if self.settings.endpoint else self.settings.model

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        """float32 [n, d] of unit length, in the order of `texts`; text beyond the model's length is not read.

        Raises IndexingError when the weights are not those of the settings, or the endpoint does not answer as it should.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        if self.settings.endpoint:
            return EndpointEncoder(self.settings.endpoint, self.secrets)(texts)
        return encoder.load(self.model)(list(texts))
