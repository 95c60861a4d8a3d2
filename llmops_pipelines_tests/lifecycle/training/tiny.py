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


SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def byte_pairs():
    """A byte-level tokenizer learnt from the questions."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    words = Tokenizer(models.BPE())
    words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    learner = trainers.BpeTrainer(vocab_size=400, special_tokens=["<end>", "<pad>"], show_progress=False)
    words.train_from_iterator([prompt + completion for prompt, completion in QUESTIONS], learner)
    return words


def make_model(folder: Path) -> Path:
    """A Llama of two layers with a byte-level tokenizer, random but the same each time."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    words = byte_pairs()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token="<pad>").save_pretrained(folder)
    marks = {"eos_token_id": 0, "pad_token_id": 1, "bos_token_id": None}
    set_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=words.get_vocab_size(), **SHAPE, **marks)).save_pretrained(folder)
    return folder


def outline_model(folder: Path) -> Path:
    """The files of `make_model` as far as they can be read without torch: tokenizer, configuration, shapes of the weights."""
    import numpy
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    byte_pairs().save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(SHAPE))
    sides = {"self_attn.q": (32, 32), "self_attn.k": (32, 32), "self_attn.v": (32, 32), "self_attn.o": (32, 32)}
    sides |= {"mlp.gate": (64, 32), "mlp.up": (64, 32), "mlp.down": (32, 64)}
    shapes = {f"model.layers.{n}.{name}_proj.weight": shape for n in range(2) for name, shape in sides.items()}
    shapes |= {"model.embed_tokens.weight": (400, 32), "lm_head.weight": (400, 32), "model.norm.weight": (32,)}
    save_file({name: numpy.zeros(shape, "float32") for name, shape in shapes.items()}, folder / "model.safetensors")
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
    words = {"base": {**base, "licence": "CC0-1.0"}, **settings, **changes}
    if words.get("method") != "full":
        words.setdefault("lora", {"rank": 4, "dropout": 0.1})
    return Recipe.model_validate(words, context={"project": PROJECT})


def preferences(lake: Lake, count: int = 40) -> Version:
    """Pairs that prefer an hour to no answer."""
    rows = [(f"pair-{n}", *QUESTIONS[n % 40], " never", "feedback") for n in range(count)]
    columns = ("example_id", "prompt", "chosen", "rejected", "origin")
    table = pa.table({column: [row[k] for row in rows] for k, column in enumerate(columns)})
    return lake.once(
        "preference_pairs", code="1", config=count, parents=[], write=lambda draft: draft.table("preference_pairs", table)
    )


def examples(lake: Lake, count: int = 40) -> Version:
    rows = [(f"example-{n}", *QUESTIONS[n % len(QUESTIONS)]) for n in range(count)]
    names, prompts, completions = ([row[k] for row in rows] for k in range(3))
    origins = ["table" if n % 4 == 0 else "question" for n in range(count)]
    columns = {"example_id": names, "prompt": prompts, "completion": completions, "origin": origins}
    table = pa.table(columns if rows else _empty())
    return lake.once(
        "training_examples",
        code="1",
        config=count,
        parents=[],
        write=lambda draft: draft.table("training_examples", table),
    )


def _empty():
    return {name: pa.array([], pa.string()) for name in ("example_id", "prompt", "completion", "origin")}


def subprocess_run(command: list[str], variables: dict[str, str]) -> None:
    subprocess.run(command, env={**os.environ, **variables}, check=True)


def train_in(
    home: Path, model: Path, run=subprocess_run, count: int = 40, tracking=None, name="checkpoint", **changes
) -> Version:
    """What the assets do, in short: base, examples, training, all below `home`."""
    words, lake = recipe(model, **changes), Lake(home / "lake", "tiny")
    base = base_model(lake, words.base, PROJECT)
    table = preferences(lake, count) if words.method == "dpo" else examples(lake, count)
    return train(lake, base, table, words, home, PROJECT, run, tracking, name)


if __name__ == "__main__":
    train_in(Path(sys.argv[1]), Path(sys.argv[2]), count=int(sys.argv[3]))
