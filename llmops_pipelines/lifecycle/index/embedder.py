"""The embedding model in memory: texts to unit vectors. Weights are verified and loaded at the first text, not before.

MiniLM and its like go through `transformers` alone; anything else through sentence-transformers, whose import takes 6 s.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Embeddings

from .model_files import ModelFiles

if TYPE_CHECKING:
    import numpy as np

TOKENS_AT_ONCE = 2048  # of one batch, padding included: activations of more do not stay in the cache
LENGTH_STEP = 16  # bf16 attention on CPUs takes twice the time at lengths that are no multiple of 16


@dataclass(frozen=True)
class Embedder:
    """A model that is ready to be asked. Cheap until the first `embed`."""

    model: ModelFiles

    @classmethod
    def open(cls, settings: Embeddings) -> "Embedder":
        """Find the model's files. Raises IndexingError when they are not on this machine."""
        return cls(ModelFiles.find(settings))

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    @property
    def dimension(self) -> int:
        return self.model.dimension

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        """float32 [n, d] of unit length, in the order of `texts`; text beyond the model's length is not read.

        Raises IndexingError when the weights are not those of the settings.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return _encoder(self.model)(list(texts))


@lru_cache(maxsize=1)
def _encoder(files: ModelFiles) -> Callable[[list[str]], "np.ndarray"]:
    """The loaded model: one per process, shared by everything that embeds with the same settings."""
    files.verify_weights()
    return _plain_encoder(files) if files.plain else _any_encoder(files)


def _plain_encoder(files: ModelFiles) -> Callable[[list[str]], "np.ndarray"]:
    """Transformer, mean over the tokens of the last layer, normalisation (Reimers and Gurevych 2019, arXiv 1908.10084)."""
    import numpy as np
    import torch
    from tokenizers import Tokenizer

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = _transformer(files, device)
    pad = model.config.pad_token_id or 0
    tokenizer = Tokenizer.from_file(str(files.path("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.enable_truncation(files.max_length)

    def encode(texts: list[str]) -> "np.ndarray":
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
        vectors = np.empty((len(texts), files.dimension), dtype=np.float32)
        for rows in _batches([len(row) for row in ids], files.max_length):
            length = _padded(max(len(ids[row]) for row in rows), files.max_length)
            tokens = torch.full((len(rows), length), pad)
            mask = torch.zeros((len(rows), length), dtype=torch.long)
            for at, row in enumerate(rows):
                tokens[at, : len(ids[row])] = torch.tensor(ids[row])
                mask[at, : len(ids[row])] = 1
            with torch.inference_mode():
                tokens, mask = tokens.to(device), mask.to(device)
                states = model(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
                summed = (states * mask.unsqueeze(-1)).sum(dim=1)  # the division by the count falls to the normalisation
                vectors[rows] = torch.nn.functional.normalize(summed, dim=1).cpu().numpy()
        return vectors

    return encode


def _transformer(files: ModelFiles, device):
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # one bar per load, in the log of every run
    try:
        model = AutoModel.from_pretrained(
            files.path("config.json").parent,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype={"fp32": torch.float32, "bf16": torch.bfloat16}[files.settings.precision],
        )
    finally:
        if bars:
            logging.enable_progress_bar()
    return model.eval().to(device)


def _padded(length: int, most: int) -> int:
    return min(-(-length // LENGTH_STEP) * LENGTH_STEP, max(length, most))


def _batches(lengths: list[int], most: int) -> Iterator[list[int]]:
    """Row numbers from long to short, so that little is padded and the first batch shows whether memory is enough."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if batch and _padded(lengths[batch[0]], most) * (len(batch) + 1) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _any_encoder(files: ModelFiles) -> Callable[[list[str]], "np.ndarray"]:
    import torch
    from sentence_transformers import SentenceTransformer

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[files.settings.precision]
    model = SentenceTransformer(
        str(files.folder),
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"dtype": dtype, "use_safetensors": True},
    )

    def encode(texts: list[str]) -> "np.ndarray":
        found = model.encode(texts, normalize_embeddings=True, convert_to_numpy=False, convert_to_tensor=True)
        return torch.nn.functional.normalize(found.float(), dim=1).cpu().numpy()

    return encode
