"""The bootstrap run: tokenizer, curriculum from short copying drills to cloze questions over real text, export.

    python -m llmops_pipelines.lifecycle.training.bootstrap.train configs/recipes/quickstart_bootstrap.yaml

Plain PyTorch on CPU. Everything that determines the result is in the recipe; fine-tuning for a product is not done here.
"""

import hashlib
import json
import math
import os
import random
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.training.bootstrap.drills import make_drill, render
from llmops_pipelines.lifecycle.training.bootstrap.texts import BOS, EOS, PAD, Batches, read_passages, train_tokenizer

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM


@dataclass(frozen=True)
class Stage:
    """One leg of the curriculum: `steps` batches of `rows` x `length` tokens, drills with contexts of up to `context` tokens."""

    name: str
    steps: int
    rows: int
    length: int
    context: int
    mix: dict[str, float]


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a bootstrap run; the fields are explained in configs/recipes/quickstart_bootstrap.yaml."""

    seed: int
    out: str
    documents: str
    suffixes: list[str]
    vocabulary: int
    tokenizer_drills: int
    model: dict[str, Any]
    stages: list[Stage]
    lr: float
    warmup: int
    weight_decay: float
    weigh: dict[str, float]
    lr_matrix: float = 0.0
    compile: bool = False
    threads: int = 2
    export_every: int = 500
    eval_every: int = 250
    previous_token_heads: list[list[int]] = field(default_factory=list)
    induction_layer: int = 0


def load_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file; relative paths in it stay relative to the working directory."""
    import yaml

    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Recipe(**{**data, "stages": [Stage(**stage) for stage in data["stages"]]})


def build_model(recipe: Recipe, vocabulary: int) -> "LlamaForCausalLM":
    """A Llama with fresh weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    config = LlamaConfig(vocab_size=vocabulary, tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2, **recipe.model)
    model = LlamaForCausalLM(config)
    if recipe.previous_token_heads:
        set_copying_start(model, recipe.previous_token_heads, recipe.induction_layer)
    return model


def set_copying_start(model: "LlamaForCausalLM", heads: list[list[int]], induction_layer: int) -> None:
    """Start the model off near a copying circuit: `heads` holds [layer, head, distance], heads that look `distance` tokens back.

    Copying needs a head that sees the previous token, and later heads that look for the current token among those; found by
    chance this costs most of a small run. With biases on queries and keys, rotary positions express the first directly: the
    key's bias is the query's, turned by `distance` steps. For the second, the heads of `induction_layer` compare, in the slowly
    turning (position-blind) rotary dimensions, the current token with what the heads of distance 1 wrote, and pass on the token.
    """
    import torch

    config, layers = model.config, model.model.layers
    width, size = config.hidden_size, config.hidden_size // config.num_attention_heads
    half, base = size // 2, config.rope_parameters["rope_theta"]
    turn = torch.tensor([base ** (-2 * i / size) for i in range(half)])
    strength = 7.0 * (torch.arange(half) < half // 2)
    written = torch.zeros(width, width)
    with torch.no_grad():
        for layer, head, distance in heads:
            attention, rows = layers[layer].self_attn, slice(head * size, (head + 1) * size)
            attention.q_proj.bias[rows] = torch.cat([strength, torch.zeros(half)])
            attention.k_proj.bias[rows] = torch.cat([strength * torch.cos(distance * turn), strength * torch.sin(distance * turn)])
            frame = torch.linalg.qr(torch.randn(width, 2 * size)).Q.T
            attention.v_proj.weight[rows], attention.o_proj.weight[:, rows] = frame[:size], 0.05 * frame[size:].T
            if distance == 1:
                written += frame[size:].T @ frame[:size]
        slow = torch.cat([torch.arange(half // 2 + 1, half), torch.arange(half + half // 2 + 1, size)])
        if induction_layer:
            attention = layers[induction_layer].self_attn
            for head in range(config.num_attention_heads):
                seen = written @ torch.randn(width, len(slow)) / len(slow) ** 0.5
                rows = head * size + slow
                attention.k_proj.weight[rows] = 0.3 * torch.nn.functional.normalize(seen, dim=0).T
                attention.q_proj.weight[rows] = 0.3 * torch.nn.functional.normalize(written.T @ seen, dim=0).T
                frame = torch.linalg.qr(torch.randn(width, size)).Q.T
                block = slice(head * size, (head + 1) * size)
                attention.v_proj.weight[block], attention.o_proj.weight[:, block] = frame, 0.05 * frame.T


def optimizers(recipe: Recipe, model: "LlamaForCausalLM") -> list["torch.optim.Optimizer"]:
    """AdamW; with `lr_matrix`, the layers' matrices go to Muon."""
    import torch

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    adam = {"betas": (0.9, 0.98), "fused": True}
    if recipe.lr_matrix:
        return [torch.optim.AdamW(others, lr=recipe.lr, weight_decay=0.0, **adam),
                torch.optim.Muon(matrices, lr=recipe.lr_matrix, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw")]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, lr=recipe.lr, **adam)]


def schedule(step: int, total: int, warmup: int) -> float:
    """Linear warm-up, then a cosine down to a twentieth."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def loss_of(model: "LlamaForCausalLM", body: Any, ids: "torch.Tensor", weights: "torch.Tensor") -> "torch.Tensor":
    """Weighted mean cross-entropy; positions of weight 0 never reach the vocabulary, which is a quarter of the work."""
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        hidden = body(input_ids=ids, use_cache=False).last_hidden_state
        target, weight = ids[:, 1:], weights[:, 1:]
        keep = torch.rand(weight.shape) < weight
        logits = model.lm_head(hidden[:, :-1][keep])
    return torch.nn.functional.cross_entropy(logits.float(), target[keep])


def drill_accuracy(model: "LlamaForCausalLM", tokenizer: "Tokenizer", passages: list[str], mix: dict[str, float], context: int,
                   count: int = 64, seed: int = 987_654_321) -> float:
    """Share of unseen drills whose first question gets exactly the right answer tokens (greedy, including the end)."""
    import torch

    rng, right, asked = random.Random(seed), 0, 0
    model.eval()
    for _ in range(count):
        pieces = render(rng, make_drill(rng, mix, context, passages))
        if len(pieces) < 3:
            continue
        prompt = tokenizer.encode(pieces[0][1] + pieces[1][1]).ids
        answer = tokenizer.encode(pieces[2][1]).ids
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            best = model(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0].argmax(-1)
        right += best[len(prompt) - 1: -1].tolist() == answer
        asked += 1
    model.train()
    return right / max(1, asked)


def export(model: "LlamaForCausalLM", tokenizer: "Tokenizer", out: Path, card: str = "") -> None:
    """Write a loadable model folder in bf16 next to `out`, then move it there in one step."""
    import copy

    import torch
    from transformers import PreTrainedTokenizerFast

    staging = out.with_name(out.name + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD,
                                   model_max_length=model.config.max_position_embeddings, clean_up_tokenization_spaces=False)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(staging)
    fast.save_pretrained(staging)
    if card:
        (staging / "README.md").write_text(card, encoding="utf-8")
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(staging.iterdir())]
    (staging / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    old = out.with_name(out.name + ".old")
    if out.exists():
        os.rename(out, old)
    os.rename(staging, out)
    shutil.rmtree(old, ignore_errors=True)


def run(recipe: Recipe, say: Any = print) -> dict[str, float]:
    """Train, export to `recipe.out`, and return the measured drill accuracies with tokens and minutes."""
    import torch

    torch.set_num_threads(recipe.threads)
    began, passages = time.monotonic(), read_passages(Path(recipe.documents), recipe.suffixes)
    tokenizer = train_tokenizer(recipe.seed, recipe.vocabulary, recipe.tokenizer_drills, passages)
    model = build_model(recipe, tokenizer.get_vocab_size())
    say(f"{len(passages)} passages, vocabulary {tokenizer.get_vocab_size()}, {model.num_parameters() / 1e6:.2f} M parameters")
    body = torch.compile(model.model) if recipe.compile else model.model
    batches, chosen = Batches(tokenizer, passages, recipe.seed), optimizers(recipe, model)
    total, step, tokens, recent = sum(s.steps for s in recipe.stages), 0, 0, []
    for stage in recipe.stages:
        for _ in range(stage.steps):
            for optimizer in chosen:
                for group in optimizer.param_groups:
                    group.setdefault("peak", group["lr"])
                    group["lr"] = group["peak"] * schedule(step, total, recipe.warmup)
            ids, weights = (torch.from_numpy(a) for a in batches.batch(stage.rows, stage.length, stage.context, stage.mix, recipe.weigh))
            loss = loss_of(model, body, ids, weights)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in chosen:
                optimizer.step()
                optimizer.zero_grad()
            step, tokens, recent = step + 1, tokens + ids.numel(), [*recent[-24:], loss.item()]
            if step % 25 == 0:
                say(f"{stage.name} {step}/{total} loss {sum(recent) / len(recent):.3f} {tokens / 1e6:.2f} M tokens {(time.monotonic() - began) / 60:.1f} min")
            if step % recipe.eval_every == 0:
                say(json.dumps(accuracies(model, tokenizer, passages, stage.context)))
            if step % recipe.export_every == 0:
                export(model, tokenizer, Path(recipe.out))
    result = {"tokens": tokens, "minutes": round((time.monotonic() - began) / 60, 1), **accuracies(model, tokenizer, passages, 300, 200)}
    export(model, tokenizer, Path(recipe.out))
    say(json.dumps(result))
    return result


def accuracies(model: "LlamaForCausalLM", tokenizer: "Tokenizer", passages: list[str], context: int, count: int = 64) -> dict[str, float]:
    """Drill accuracy per kind of drill at contexts of up to `context` tokens."""
    kinds = ["recall", "statements", *(["text"] if passages else [])]
    return {kind: round(drill_accuracy(model, tokenizer, passages, {kind: 1.0}, context, count), 3) for kind in kinds}


if __name__ == "__main__":
    run(load_recipe(Path(sys.argv[1])), lambda line: print(line, flush=True))
