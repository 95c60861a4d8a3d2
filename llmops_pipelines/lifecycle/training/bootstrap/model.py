"""The small Llama of the bootstrap: how it starts off, and how it is written as a folder that `transformers` loads.

What it learns belongs in `drills.py`, how it learns in `train.py`.
"""

import copy
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.training.bootstrap.texts import BOS, EOS, PAD

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM


def build_model(shape: dict[str, Any], tokenizer: "Tokenizer", heads: list[list[int]], seed: int) -> "LlamaForCausalLM":
    """A Llama with fresh weights; `shape` are fields of LlamaConfig, `heads` see `set_previous_token_heads`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    ids = {f"{name}_token_id": tokenizer.token_to_id(token) for name, token in (("bos", BOS), ("eos", EOS), ("pad", PAD))}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=tokenizer.get_vocab_size(), tie_word_embeddings=True, **ids, **shape))
    set_previous_token_heads(model, heads)
    return model


def set_previous_token_heads(model: "LlamaForCausalLM", heads: list[list[int]]) -> None:
    """Start some heads off looking a fixed distance back; `heads` holds [layer, head, distance in tokens].

    Copying needs heads that see what came just before. With biases on queries and keys, rotary positions can express that
    directly: the key's bias is the query's, turned by `distance` steps. Training is free to change it.
    """
    import torch

    config = model.config
    width, size = config.hidden_size, config.hidden_size // config.num_attention_heads
    half, base = size // 2, config.rope_parameters["rope_theta"]
    turn = torch.tensor([base ** (-2 * i / size) for i in range(half)])
    strength = 7.0 * (torch.arange(half) < half // 2)
    with torch.no_grad():
        for layer, head, distance in heads:
            attention, rows = model.model.layers[layer].self_attn, slice(head * size, (head + 1) * size)
            turned = [torch.cos(distance * turn), torch.sin(distance * turn)]
            attention.q_proj.bias[rows] = torch.cat([strength, torch.zeros(half)])
            attention.k_proj.bias[rows] = torch.cat([strength * part for part in turned])
            frame = torch.linalg.qr(torch.randn(width, 2 * size)).Q.T
            attention.v_proj.weight[rows], attention.o_proj.weight[:, rows] = frame[:size], 0.05 * frame[size:].T


def export(model: "LlamaForCausalLM", tokenizer: "Tokenizer", out: Path, card: str) -> None:
    """Write weights (bf16), tokenizer, model card and SHA256SUMS beside `out`, then move the folder there."""
    import torch
    from transformers import PreTrainedTokenizerFast

    staging, old = out.with_name(f"{out.name}.partial"), out.with_name(f"{out.name}.old")
    shutil.rmtree(staging, ignore_errors=True)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(staging)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=model.config.max_position_embeddings,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(staging)
    (staging / "README.md").write_text(card, encoding="utf-8")
    write_sums(staging)
    # A folder cannot be replaced in one step: between the two renames there is none, never half of one.
    if out.exists():
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
    staging.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def write_sums(folder: Path) -> None:
    """SHA256SUMS of all other files in `folder`, as `sha256sum -c` reads it."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8")
