"""The embedding model while it learns: BERT of `transformers` with gradients, pooled and normalised as the index does it.

For inference `index/embedders` is faster; both must give the same vectors, which `child.py` examines on every result.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.index.embedders.hardware import bf16_in_hardware
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

WEIGHTS = "model.safetensors"
SAID = (".json", ".txt")  # configuration and vocabulary; other formats of the weights stay behind
STEP = 16  # padded lengths are its multiples: bf16 attention takes twice the time at others


@dataclass
class Learner:
    """The model with fp32 weights that learn; computed in bf16 where `bf16` says so."""

    files: ModelFiles
    model: "torch.nn.Module"
    tokenizer: "Tokenizer"
    bf16: bool
    device: "torch.device"

    @classmethod
    def open(cls, files: ModelFiles, dropout: float, max_tokens: int, precision: str, device: "torch.device") -> "Learner":
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModel
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        model = AutoModel.from_pretrained(
            files.path("config.json").parent,
            dtype=torch.float32,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            attn_implementation="sdpa",
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
        tokenizer = Tokenizer.from_file(str(files.path("tokenizer.json")))
        tokenizer.no_padding()
        tokenizer.enable_truncation(min(max_tokens, files.max_length))
        bf16 = bf16_in_hardware(device.type) if precision == "auto" else precision == "bf16"
        return cls(files, model.to(device), tokenizer, bf16, device)

    def tokens(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]

    def vectors(self, tokens: list[list[int]]) -> "torch.Tensor":
        """Unit vectors, float32 [n, d], of token ids with special tokens."""
        import torch
        from torch.nn import functional as F

        length = -(-max(map(len, tokens)) // STEP) * STEP
        ids = torch.tensor([row + [0] * (length - len(row)) for row in tokens], device=self.device)
        lengths = torch.tensor([len(row) for row in tokens], device=self.device)
        mask = (torch.arange(length, device=self.device) < lengths[:, None]).long()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.files.pooling == "cls":
            return F.normalize(states[:, 0].float(), dim=1)
        return F.normalize((states.float() * mask[:, :, None]).sum(dim=1), dim=1)

    def parameters(self) -> dict[str, Any]:
        """Name -> weight of all that the vectors depend on; BERT's pooler is for another purpose."""
        return {name: weight for name, weight in self.model.named_parameters() if not name.startswith("pooler.")}


def save(learner: Learner, folder: Path, keep_base: float) -> None:
    """The model as a folder like the one it came from. `keep_base` of each weight is the untuned one's (Wortsman 2021,
    arXiv 2109.01903)."""
    from safetensors.torch import load_file, save_file

    source = learner.files.folder
    for path in sorted(source.rglob("*")):
        if path.suffix in SAID and path.is_file() and len(path.relative_to(source).parts) <= 2:
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    base = learner.files.path(WEIGHTS)
    tuned = {name: weight.detach().cpu() for name, weight in learner.parameters().items()}
    weights = {}
    for name, before in load_file(base).items():
        after = tuned.get(name.removeprefix("bert."))
        mixed = before if after is None else keep_base * before.float() + (1 - keep_base) * after
        weights[name] = mixed.to(before.dtype).contiguous()
    save_file(weights, folder / base.relative_to(source), metadata={"format": "pt"})
