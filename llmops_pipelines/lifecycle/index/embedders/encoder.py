"""The loaded model: texts to unit vectors on this machine's processor or GPU. One per process, whoever asks.

BERT and its kind go through bert.py; anything else through sentence-transformers, whose import takes 6 s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from . import bert
from .batches import by_length
from .hardware import device
from .model_files import ModelFiles

if TYPE_CHECKING:
    import numpy as np
    import torch

Encode = Callable[[list[str]], "np.ndarray"]

TOKENS_AT_ONCE = {  # of one batch, padding included; on a processor per thread
    ("cpu", "fp32"): 1_024,  # activations of more do not stay in the cache
    ("cpu", "bf16"): 2_048,
    ("mps", "fp32"): 8_192,
    ("mps", "bf16"): 8_192,
    ("cuda", "fp32"): 65_536,
    ("cuda", "bf16"): 131_072,
}
LENGTH_STEP = {"fp32": 1, "bf16": 16}  # bf16 attention takes twice the time at lengths that are no multiple of 16


@lru_cache(maxsize=2)  # two: the one in use, and the one that it is compared with
def load(files: ModelFiles) -> Encode:
    """Verify the weights and load them. Raises IndexingError when they are not those of the settings."""
    files.verify_weights()
    return BertEncoder.load(files) if files.plain else _any_encoder(files)


@dataclass(frozen=True)
class BertEncoder:
    """Tokens, transformer, mean or first state, normalisation (Reimers and Gurevych 2019, arXiv 1908.10084)."""

    files: ModelFiles
    tokenize: Callable[[list[str]], list[list[int]]]
    model: bert.Bert
    device: "torch.device"

    @classmethod
    def load(cls, files: ModelFiles) -> "BertEncoder":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(files.path("tokenizer.json")))
        tokenizer.no_padding()
        tokenizer.enable_truncation(files.max_length)

        def tokenize(texts: list[str]) -> list[list[int]]:
            return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]

        where = device()
        model = bert.load(files.path("config.json"), files.path("model.safetensors"), _dtype(files), where)
        return cls(files, tokenize, model, where)

    def __call__(self, texts: list[str]) -> "np.ndarray":
        import numpy as np
        import torch

        tokens = self.tokenize(texts)
        precision = self.files.settings.precision
        budget, step = TOKENS_AT_ONCE[self.device.type, precision], LENGTH_STEP[precision]
        if self.device.type == "cpu":
            budget *= torch.get_num_threads()
        vectors = np.empty((len(texts), self.files.dimension), dtype=np.float32)
        with torch.inference_mode():
            for length, rows in by_length([len(row) for row in tokens], budget, step):
                vectors[rows] = self._vectors([tokens[row] for row in rows], length).cpu().numpy()
        return vectors

    def _vectors(self, tokens: list[list[int]], length: int) -> "torch.Tensor":
        import torch
        from torch.nn import functional as F

        padded = torch.tensor([row + [0] * (length - len(row)) for row in tokens], device=self.device)
        lengths = torch.tensor([len(row) for row in tokens], device=self.device)
        whole = len(tokens[-1]) == length  # the last is the shortest
        mask = None if whole else torch.arange(length, device=self.device) < lengths[:, None]
        states = self.model(padded, mask).float()
        if self.files.pooling == "cls":
            return F.normalize(states[:, 0], dim=1)
        if mask is not None:
            states = states * mask[:, :, None]
        return F.normalize(states.sum(dim=1), dim=1)  # the division by the count falls to the normalisation


def _any_encoder(files: ModelFiles) -> Encode:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(files.folder),
        device=str(device()),
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"dtype": _dtype(files), "use_safetensors": True},
    )

    def encode(texts: list[str]) -> "np.ndarray":
        found = model.encode(
            texts, normalize_embeddings=True, convert_to_numpy=False, convert_to_tensor=True, show_progress_bar=False
        )
        return torch.nn.functional.normalize(found.float(), dim=1).cpu().numpy()

    return encode


def _dtype(files: ModelFiles) -> "torch.dtype":
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16}[files.settings.precision]
