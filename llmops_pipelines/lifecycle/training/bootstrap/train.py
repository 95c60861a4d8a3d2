"""The bootstrap run: tokenizer, curriculum from short copying drills to cloze questions over real text, export.

    python -m llmops_pipelines.lifecycle.training.bootstrap.train configs/recipes/quickstart_bootstrap.yaml

Plain PyTorch on CPU. Everything that determines the result is in the recipe; fine-tuning for a product is not done here.
"""

import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.training.bootstrap.card import model_card
from llmops_pipelines.lifecycle.training.bootstrap.drills import make_drill, render
from llmops_pipelines.lifecycle.training.bootstrap.model import build_model, export
from llmops_pipelines.lifecycle.training.bootstrap.texts import Batches, read_passages, train_tokenizer

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

UNFINISHED = "# Unfinished bootstrap run: step "
HELD_OUT = 987_654_321  # seed of the drills that accuracy is measured on


@dataclass(frozen=True)
class Stage:
    """One leg of the curriculum: `steps` batches of `rows` x `length` tokens; contexts have up to about `context` tokens.

    `pace` is the share of the peak learning rates at its start and its end; it changes evenly between them.
    """

    name: str
    steps: int
    rows: int
    length: int
    context: int
    mix: dict[str, float]
    pace: list[float]


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a bootstrap run; each field is explained in configs/recipes/quickstart_bootstrap.yaml."""

    seed: int
    threads: int
    compile: bool
    out: str
    documents: str
    suffixes: list[str]
    vocabulary: int
    tokenizer_drills: int
    model: dict[str, Any]
    previous_token_heads: list[list[int]]
    lr: float
    lr_matrix: float
    weight_decay: float
    warmup: int
    learn_from: dict[str, float]
    eval_every: int
    export_every: int
    measure: int
    stages: list[Stage]


def load_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file; its relative paths are relative to the working directory."""
    import yaml

    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Recipe(**{**data, "stages": [Stage(**stage) for stage in data["stages"]]})


def optimizers(recipe: Recipe, model: "LlamaForCausalLM") -> list["torch.optim.Optimizer"]:
    """Muon (Jordan et al., 2024) for the layers' matrices, AdamW for embeddings, norms and biases.

    With AdamW alone copying appeared after about twice as many tokens.
    """
    import torch

    matrices, others = [], []
    for name, weights in model.named_parameters():
        (matrices if weights.ndim == 2 and "layers" in name else others).append(weights)
    return [
        torch.optim.AdamW(others, lr=recipe.lr, weight_decay=0.0, betas=(0.9, 0.98), fused=True),
        torch.optim.Muon(matrices, lr=recipe.lr_matrix, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"),
    ]


def schedule(recipe: Recipe) -> list[tuple[Stage, float]]:
    """(stage, share of the peak learning rates) of every step."""
    plan = []
    for stage in recipe.stages:
        start, end = stage.pace
        for step in range(stage.steps):
            share = start + (end - start) * step / stage.steps
            plan.append((stage, share * min(1.0, (len(plan) + 1) / recipe.warmup)))
    return plan


def loss_of(model: "LlamaForCausalLM", body: Any, ids: "torch.Tensor", chances: "torch.Tensor") -> "torch.Tensor":
    """Mean cross-entropy over tokens drawn with their `chances`; the others never reach the vocabulary, which saves time."""
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        hidden = body(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        drawn = torch.rand(hidden.shape[:2]) < chances[:, 1:]
        logits = model.lm_head(hidden[drawn])
    return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][drawn])


def drill_accuracy(
    model: "LlamaForCausalLM", tokenizer: "Tokenizer", passages: list[str], kind: str, context: int, count: int
) -> float:
    """Share of `count` unseen drills whose first question gets exactly the right tokens, the line's end included."""
    import torch

    rng, right, asked = random.Random(HELD_OUT), 0, 0
    while asked < count:
        pieces = render(rng, make_drill(rng, {kind: 1.0}, context, passages))
        if len(pieces) < 3:
            continue
        prompt = tokenizer.encode(pieces[0][1] + pieces[1][1]).ids
        answer = tokenizer.encode(pieces[2][1]).ids
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            best = model(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0].argmax(-1)
        right += best[len(prompt) - 1 : -1].tolist() == answer
        asked += 1
    return round(right / count, 3)


def accuracies(
    model: "LlamaForCausalLM", tokenizer: "Tokenizer", passages: list[str], context: int, count: int
) -> dict[str, float]:
    """`drill_accuracy` per kind of drill."""
    kinds = ["recall", "statements", *(["text", "natural"] if passages else [])]
    return {kind: drill_accuracy(model, tokenizer, passages, kind, context, count) for kind in kinds}


def run(recipe: Recipe, say: Callable[[str], None] = print) -> dict[str, float]:
    """Train and export to `recipe.out`; the result has drill accuracies at 300-token contexts, tokens and minutes.

    An unfinished export found there is gone on with, from its weights and its step, with fresh optimizers.
    """
    import torch

    torch.set_num_threads(recipe.threads)
    began, out = time.monotonic(), Path(recipe.out)
    passages = read_passages(Path(recipe.documents), recipe.suffixes)
    tokenizer = train_tokenizer(recipe.seed, recipe.vocabulary, recipe.tokenizer_drills, passages)
    model, done = build_model(recipe.model, tokenizer, recipe.previous_token_heads, recipe.seed), unfinished_step(out)
    if done:
        model = model.from_pretrained(out, dtype=torch.float32)
    body = torch.compile(model.model, dynamic=False) if recipe.compile else model.model
    chosen, recent, tokens = optimizers(recipe, model), deque[float](maxlen=25), 0
    batches, plan = Batches(tokenizer, passages, recipe.seed), schedule(recipe)
    say(f"{len(passages)} passages, vocabulary {recipe.vocabulary}, {model.num_parameters():,} parameters, step {done}")
    for step, (stage, pace) in enumerate(plan, start=1):
        tokens += stage.rows * stage.length
        if step <= done:
            continue
        made = batches.batch(step, stage.rows, stage.length, stage.context, stage.mix, recipe.learn_from)
        ids, chances = (torch.from_numpy(array) for array in made)
        loss = loss_of(model, body, ids, chances)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, peak in zip(chosen, (recipe.lr, recipe.lr_matrix), strict=True):
            optimizer.param_groups[0]["lr"] = peak * pace
            optimizer.step()
            optimizer.zero_grad()
        recent.append(loss.item())
        if step % 25 == 0:
            loss_now, minutes = sum(recent) / len(recent), (time.monotonic() - began) / 60
            say(f"{stage.name} {step}/{len(plan)} loss {loss_now:.3f} {tokens / 1e6:.2f} M tokens {minutes:.1f} min")
        if step % recipe.eval_every == 0:
            say(json.dumps(accuracies(model, tokenizer, passages, stage.context, 64)))
        if step % recipe.export_every == 0:
            export(model, tokenizer, out, f"{UNFINISHED}{step} of {len(plan)}\n")
    result = {"tokens": tokens, "minutes": round((time.monotonic() - began) / 60, 1)}
    result |= accuracies(model, tokenizer, passages, 300, recipe.measure)
    export(model, tokenizer, out, card(recipe, result, model.num_parameters()))
    say(json.dumps(result))
    return result


def unfinished_step(out: Path) -> int:
    """The step at which an unfinished export in `out` was written; 0 without one."""
    readme = out / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    return int(text.removeprefix(UNFINISHED).split()[0]) if text.startswith(UNFINISHED) else 0


def card(recipe: Recipe, result: dict[str, float], parameters: int) -> str:
    """The model card of a finished run."""
    kinds = ("recall", "statements", "text", "natural")
    measured = "\n".join(f"| {kind} | {result[kind]:.3f} |" for kind in kinds if kind in result)
    return model_card(
        parameters=f"{parameters / 1e6:.2f} million",
        layers=recipe.model["num_hidden_layers"],
        width=recipe.model["hidden_size"],
        vocabulary=recipe.vocabulary,
        context=recipe.model["max_position_embeddings"],
        longest=max(stage.length for stage in recipe.stages),
        tokens=f"{result['tokens'] / 1e6:.1f} million",
        minutes=result["minutes"],
        threads=recipe.threads,
        drills=recipe.measure,
        measured=measured,
    )


if __name__ == "__main__":
    run(load_recipe(Path(sys.argv[1])), lambda line: print(line, flush=True))
