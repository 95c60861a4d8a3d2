"""A cross-encoder: reads question and passage together and says how well they fit. Slow, and the best judge of order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Reranker
from llmops_pipelines.lifecycle.lake.digests import file_digest

from ..errors import IndexingError

if TYPE_CHECKING:
    import numpy as np

CODE = "reranking-1"
FILES = ("config.json", "tokenizer.json", "model.safetensors")
TOKENS_AT_ONCE = 4096  # of one batch, padding included
LONGEST = 512  # tokens of question and passage together, where the model says nothing


@dataclass(frozen=True)
class CrossEncoder:
    """A sequence classification model in a folder. Cheap until the first `scores`, which verifies and loads the weights."""

    folder: Path
    sha256: str

    @classmethod
    def open(cls, settings: Reranker, project: Path = Path()) -> "CrossEncoder":
        """Raises IndexingError when files of the model are missing."""
        folder = project / settings.model
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise IndexingError(
                f"retrieval.reranker.model: {folder} has no {' and no '.join(missing)}; save the model and its fast tokenizer "
                "with transformers, weights as safetensors"
            )
        return cls(folder.resolve(), settings.sha256)

    def scores(self, questions: Sequence[str], passages: Sequence[str]) -> "np.ndarray":
        """float32 [n]: how well each passage answers the question beside it, more is better, without a fixed range."""
        import numpy as np
        import torch

        found = np.empty(len(questions), np.float32)
        if not questions:
            return found
        tokenizer, model, longest = _loaded(self)
        encoded = tokenizer(list(questions), list(passages), truncation="only_second", max_length=longest)
        for rows in _batches([len(ids) for ids in encoded["input_ids"]]):
            batch = {name: [values[row] for row in rows] for name, values in encoded.items()}
            given = tokenizer.pad(batch, return_tensors="pt")
            with torch.inference_mode():
                logits = model(**given.to(model.device)).logits.float().cpu()
            found[rows] = (logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]).numpy()
        if not np.isfinite(found).all():
            raise IndexingError(f"retrieval.reranker.model: {self.folder} gives scores that are no numbers; use another model")
        return found


@lru_cache(maxsize=1)
def _loaded(encoder: CrossEncoder):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    weights = encoder.folder / "model.safetensors"
    if (actual := file_digest(weights)) != encoder.sha256:
        raise IndexingError(
            f"retrieval.reranker.sha256: {weights} has sha256 {actual}, the settings say {encoder.sha256}; "
            "use the weights you meant, or write down the new sha256"
        )
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # one bar per load, in the log of every run
    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder.folder, local_files_only=True, trust_remote_code=False)
        model = AutoModelForSequenceClassification.from_pretrained(
            encoder.folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
    finally:
        if bars:
            logging.enable_progress_bar()
    if model.config.num_labels > 2:
        raise IndexingError(
            f"retrieval.reranker.model: {encoder.folder} tells {model.config.num_labels} classes apart; a reranker gives one "
            "score, or two classes of which the second means a match"
        )
    longest = min(getattr(model.config, "max_position_embeddings", LONGEST), tokenizer.model_max_length, LONGEST)
    return tokenizer, model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), longest


def _batches(lengths: list[int]) -> list[list[int]]:
    """Row numbers from long to short, so that little of a batch is padding."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if not batches or lengths[batches[-1][0]] * (len(batches[-1]) + 1) > TOKENS_AT_ONCE:
            batches.append([])
        batches[-1].append(row)
    return batches
