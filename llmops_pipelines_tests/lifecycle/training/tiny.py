"""A base model of 28,000 random weights, examples and a recipe for it: small enough that training it takes a second."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from llmops_pipelines.config.recipe import Recipe
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.training import base_model, train

PROJECT = Path(__file__).parents[3]
QUESTIONS = [
    (f"Context:\nThe ferry sails at {n} o'clock.\n\nQuestion: When does it sail?\nAnswer:", f" at {n}") for n in range(40)
]


def make_model(folder: Path) -> Path:
    """A Llama of two layers with a byte-level tokenizer, random but the same each time."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    words = Tokenizer(models.BPE())
    words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    learner = trainers.BpeTrainer(vocab_size=400, special_tokens=["<end>", "<pad>"], show_progress=False)
    words.train_from_iterator([prompt + completion for prompt, completion in QUESTIONS], learner)
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token="<pad>").save_pretrained(folder)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    marks = {"eos_token_id": 0, "pad_token_id": 1, "bos_token_id": None}
    set_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=words.get_vocab_size(), **shape, **marks)).save_pretrained(folder)
    return folder


def fake_model(folder: Path) -> Path:
    """Files that look like a model to everything that does not load it; made without torch."""
    import numpy
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weight": numpy.ones((3, 4), "float32"), "bias": numpy.ones(4, "float32")}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"vocab_size": 7, "num_hidden_layers": 2, "hidden_size": 4}))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def recipe(model: Path, **changes) -> Recipe:
    base = {"path": str(model), "sha256": hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()}
    settings = {"deepspeed": "configs/deepspeed/zero2.json", "batch_size": 2, "save_every": 5, "max_tokens": 200}
    words = {"base": {**base, "licence": "CC0-1.0"}, **settings, "lora": {"rank": 4, "dropout": 0.1}, **changes}
    return Recipe.model_validate(words, context={"project": PROJECT})


def examples(lake: Lake, count: int = 40) -> Version:
    rows = [(f"example-{n}", *QUESTIONS[n % len(QUESTIONS)]) for n in range(count)]
    names, prompts, completions = ([row[k] for row in rows] for k in range(3))
    table = pa.table({"example_id": names, "prompt": prompts, "completion": completions} if rows else _empty())
    return lake.once(
        "training_examples",
        code="1",
        config=count,
        parents=[],
        write=lambda draft: draft.table("training_examples", table),
    )


def _empty():
    return {name: pa.array([], pa.string()) for name in ("example_id", "prompt", "completion")}


def subprocess_run(command: list[str], variables: dict[str, str]) -> None:
    subprocess.run(command, env={**os.environ, **variables}, check=True)


def train_in(home: Path, model: Path, run=subprocess_run, count: int = 40, tracking=None, **changes) -> Version:
    """What the assets do, in short: base, examples, training, all below `home`."""
    words, lake = recipe(model, **changes), Lake(home / "lake", "tiny")
    base = base_model(lake, words.base, PROJECT)
    return train(lake, base, examples(lake, count), words, home, PROJECT, run, tracking)


if __name__ == "__main__":
    train_in(Path(sys.argv[1]), Path(sys.argv[2]), count=int(sys.argv[3]))
