"""Model and trainer of a job, inside the training process: what is loaded, in which numbers, and TRL's trainer around it.

Heavy imports stand inside the functions; what happens while training runs belongs in `child.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import arguments, attention, batches, rows
from .refusals import TrainingError

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import DPOTrainer, SFTTrainer

    from .job import Job

SAFE = {"local_files_only": True, "trust_remote_code": False}


def tokenizer(job: "Job") -> "PreTrainedTokenizerBase":
    """The base's tokenizer. Raises `TrainingError` if it has no end mark to teach."""
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(job.base_folder, **SAFE)
    if found.eos_token_id is None:
        raise TrainingError(f"{job.base_folder}: the tokenizer has no end mark; set eos_token in tokenizer_config.json")
    return found


def dataset(job: "Job", words: "PreTrainedTokenizerBase") -> "Dataset":
    """The examples as the recipe wants them, before they are packed."""
    if job.recipe["method"] == "dpo":
        return rows.read_pairs(job.examples, words, job.recipe)
    return rows.read(job.examples, words, job.recipe)


def loader(job: "Job", bf16: bool, device: Any) -> Callable[[Path | None], "PreTrainedModel"]:
    """A function that loads the base (None) or the model of a folder for examination, as training did."""

    def load(folder: Path | None) -> "PreTrainedModel":
        loaded = model(job, folder or job.base_folder, bf16, device)
        return loaded if job.recipe["method"] == "qlora" else loaded.to(device)  # 4-bit weights are where they belong

    return load


def model(job: "Job", folder: Path, bf16: bool, device: Any) -> "PreTrainedModel":
    """Raises `TrainingError` for qlora on a machine without an NVIDIA GPU."""
    import torch
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": torch.bfloat16 if bf16 else torch.float32, "use_safetensors": True, **SAFE}
    if job.recipe["method"] == "qlora":
        options |= {"quantization_config": arguments.four_bits(), "device_map": {"": device}}
    return AutoModelForCausalLM.from_pretrained(folder, **options)


def trainer(
    job: "Job", base: "PreTrainedModel", args: Any, data: "Dataset", words: "PreTrainedTokenizerBase", hooks: Any
) -> "SFTTrainer | DPOTrainer":
    """TRL's trainer of the job's method on rows that are tokens already."""
    from trl import DPOTrainer, SFTTrainer
    from trl.trainer.dpo_trainer import DataCollatorForPreference
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    pad = words.eos_token_id if words.pad_token_id is None else words.pad_token_id
    if job.recipe["method"] == "dpo":
        kind, collate = DPOTrainer, batches.counted(DataCollatorForPreference(pad_token_id=pad))
    elif job.recipe["packing"] and args.device.type == "cuda" and args.bf16:  # the kernel knows no fp32
        base.set_attn_implementation(attention.register())
        kind, collate = SFTTrainer, batches.flat_rows(job.recipe["max_tokens"])
    elif job.recipe["packing"]:
        kind, collate = SFTTrainer, batches.packed_rows
    else:
        kind, collate = SFTTrainer, batches.counted(DataCollatorForLanguageModeling(pad_token_id=pad))
    made = counting(kind)(
        base,
        args=args,
        data_collator=collate,
        train_dataset=data,
        processing_class=words,
        peft_config=None if job.kind == "model" else arguments.adapter(job.recipe["lora"]),
        callbacks=[hooks],
    )
    if job.recipe["compile"]:
        compile_layers(made.model)
    return made


def compile_layers(model: "PreTrainedModel") -> None:
    """Compile each of the repeated layers by itself: they are alike, so that one compilation serves all of them."""
    names = set(getattr(model, "_no_split_modules", None) or ())
    layers = [layer for layer in model.modules() if type(layer).__name__ in names]
    if not layers:
        raise TrainingError(f"recipe.compile: true, but {type(model).__name__} does not name its layers; use compile: false")
    for layer in layers:
        layer.compile(dynamic=False)


def counting(kind: type) -> type:
    """The trainer class with a count of what it reads; `tokens` are real ones, `places` those with padding."""

    class Counting(kind):
        tokens = places = 0

        def training_step(self, model, inputs, *args, **options):
            self.tokens += inputs.pop(batches.REAL)
            self.places += inputs["input_ids"].numel()
            return super().training_step(model, inputs, *args, **options)

        def _prepare_dataset(self, dataset, *args, **options):
            return dataset  # DPOTrainer would tokenise texts, prompt and completion as one

    return Counting
