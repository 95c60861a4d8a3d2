"""What `training.py` compares: a Llama made from its configuration, texts of mixed lengths, ours, and two peers.

Run as `python benchmarks/training_runs.py PEER MODEL TABLE STEPS BATCH`, a peer trains and prints its steps as JSON.
"""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
WORDS = {"tiny": 4_096, "large": 32_000}
SHAPES = {
    # that of the quickstart's base model
    "tiny": {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 6, "num_attention_heads": 6},
    "large": {
        "hidden_size": 2_048,
        "intermediate_size": 5_632,
        "num_hidden_layers": 16,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
    },
}
LORA = {"rank": 16, "alpha": 32}


@dataclass(frozen=True)
class Speed:
    """`tokens` per second without padding, once training is under way; `useful`, the share of what is computed; memory."""

    name: str
    tokens: float
    useful: float
    gigabytes: float | None
    steps: int
    loss: float


def make_model(folder: Path, size: str) -> int:
    """Random weights, bf16 on disk, and a tokenizer with a word per token. Returns the weights that multiply: no embedding."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    names = ["<end>", "<pad>", *(f"w{n}" for n in range(WORDS[size] - 2))]
    words = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token="<pad>").save_pretrained(folder)
    set_seed(0)
    marks = {"eos_token_id": 0, "pad_token_id": 1, "bos_token_id": None, "tie_word_embeddings": True}
    config = LlamaConfig(vocab_size=len(names), max_position_embeddings=4096, **SHAPES[size], **marks)
    torch.set_default_dtype(torch.bfloat16)
    model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    return sum(weight.numel() for name, weight in model.named_parameters() if "embed_tokens" not in name)


def make_table(path: Path, rows: int, size: str, median: int, longest: int) -> None:
    """Examples of log-normal length, as instructions have them: most short, some long; a fifth of each is the completion."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw, made = random.Random(0), []
    for n in range(rows):
        length = max(16, min(longest - 1, round(draw.lognormvariate(0, 0.8) * median)))
        words = [f"w{draw.randrange(WORDS[size] - 2)}" for _ in range(length)]
        cut = length - max(length // 5, 4)
        made.append({"example_id": f"row-{n}", "prompt": " ".join(words[:cut]), "completion": " ".join(words[cut:])})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(made), path, write_page_checksum=True)


def ours(name: str, model: Path, table: Path, home: Path, skip: int, **words: Any) -> Speed | None:
    """Our training process on the rows of `table`, by the product's own function; None if it could not run."""
    import hashlib

    import pyarrow.parquet as pq

    from llmops_pipelines.config.recipe import Recipe
    from llmops_pipelines.lifecycle.lake import Lake
    from llmops_pipelines.lifecycle.training import TrainingError, base_model, train

    digest = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    where = {"path": str(model), "sha256": digest, "licence": "CC0-1.0"}
    if words.get("method") != "full":
        words = {"lora": LORA, **words}
    words = {"base": where, "learning_rate": 1e-4, "save_every": 10_000, **words}
    recipe, lake = Recipe.model_validate(words, context={"project": PROJECT}), Lake(home / "lake", "bench")
    rows = pq.read_table(table)
    examples = lake.once(
        "training_examples", code="1", config=str(table), parents=[], write=lambda draft: draft.table("training_examples", rows)
    )

    def run(command: list[str], variables: dict[str, str]) -> None:
        environment = {**os.environ, **variables, "PYTHONPATH": f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr[-3000:], file=sys.stderr)
        done.check_returncode()

    base = base_model(lake, recipe.base, PROJECT)
    try:
        made = train(lake, base, examples, recipe, home, PROJECT, run, name=f"checkpoint/{name}")
    except TrainingError as error:
        print(f"{name} failed: {error}", file=sys.stderr)
        return None
    log = made.table("training_log").to_pylist()
    speed = (log[-1]["tokens"] - log[skip]["tokens"]) / (log[-1]["seconds"] - log[skip]["seconds"])
    facts = made.facts
    return Speed(name, speed, facts["useful_share"], facts.get("peak_gigabytes"), len(log), log[-1]["loss"])


def peer(name: str, which: str, model: Path, table: Path, steps: int, batch: int, skip: int) -> Speed | None:
    """A peer in a process of its own; None if it could not run."""
    command = [sys.executable, "-W", "ignore", __file__, which, str(model), str(table), str(steps), str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TOKENIZERS_PARALLELISM": "false"})
    if done.returncode:
        print(f"{name} failed: {done.stderr.strip()[-2000:]}", file=sys.stderr)
        return None
    told = json.loads(done.stdout.splitlines()[-1])
    seconds, real, all_ = (told[key] for key in ("seconds", "real", "places"))
    speed = (sum(real[skip + 1 :])) / (seconds[-1] - seconds[skip])
    return Speed(name, speed, sum(real) / sum(all_), told["gigabytes"], len(seconds), told["loss"])


def run_peer(which: str, model: Path, table: Path, steps: int, batch: int) -> dict[str, Any]:
    import pyarrow.parquet as pq
    import torch
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments
    from trl import SFTConfig, SFTTrainer

    words = AutoTokenizer.from_pretrained(model)
    columns = pq.read_table(table).to_pydict()
    before = words(columns["prompt"])["input_ids"]
    after = [ids + [words.eos_token_id] for ids in words(columns["completion"], add_special_tokens=False)["input_ids"]]
    pairs = list(zip(before, after, strict=True))
    rows = {"input_ids": [a + b for a, b in pairs], "labels": [[-100] * len(a) + b for a, b in pairs]}
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    places, real, seconds = [], [], []

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(time.perf_counter())

    def counted(kind):
        class Counted(kind):
            def training_step(self, model, inputs, *args, **options):
                real.append(int(inputs["attention_mask"].sum()))
                places.append(inputs["input_ids"].numel())
                return super().training_step(model, inputs, *args, **options)

        return Counted

    plain = {"output_dir": f"{table}.{which}", "max_steps": steps, "report_to": [], "disable_tqdm": True, "save_strategy": "no"}
    plain |= {"per_device_train_batch_size": batch, "learning_rate": 1e-4, "logging_steps": steps}
    if which == "trl":  # as it comes: bf16, gradient checkpointing, batches of 8, padded to their longest row
        args = SFTConfig(**plain, dataset_kwargs={"skip_prepare_dataset": True})
        base = AutoModelForCausalLM.from_pretrained(model)
        trainer = counted(SFTTrainer)(
            base,
            args=args,
            train_dataset=Dataset.from_dict(rows),
            processing_class=words,
            peft_config=lora,
            callbacks=[Clock()],
        )
    else:
        base = get_peft_model(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), lora)
        args = TrainingArguments(**plain, use_cpu=not torch.cuda.is_available(), bf16=which == "trainer-bf16")
        trainer = counted(Trainer)(
            base, args, data_collator=lambda batch: padded(batch, words.pad_token_id), train_dataset=Dataset.from_dict(rows)
        )
        trainer.add_callback(Clock())
    loss = trainer.train().training_loss
    memory = round(torch.cuda.max_memory_allocated() / 1e9, 2) if torch.cuda.is_available() else None
    return {"seconds": seconds, "real": real, "places": places, "gigabytes": memory, "loss": loss}


def padded(rows: list[dict[str, Any]], pad: int) -> dict[str, Any]:
    """What the data collators of transformers do: to the longest row of the batch."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    fill = {"input_ids": pad, "labels": -100, "attention_mask": 0}
    made = {name: [row.get(name, [1] * len(row["input_ids"])) for row in rows] for name in fill}
    return {name: torch.tensor([ids + [fill[name]] * (width - len(ids)) for ids in made[name]]) for name in fill}


if __name__ == "__main__":
    which, model, table, steps, batch = sys.argv[1:]
    print(json.dumps(run_peer(which, Path(model), Path(table), int(steps), int(batch))))
