"""Is the finished adapter what it claims to be? The questions are asked inside the training process, where the model is;
the answers are stored with the checkpoint, so that the asset check needs no torch.
"""

import json
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import files
from ..lake.digests import file_digest

if TYPE_CHECKING:
    import torch

    from ..lake import Version

ENGINE = "DeepSpeedEngine"
ANSWERS = (
    "the_engine_is_deepspeed",
    "the_base_is_unchanged",
    "every_loss_is_finite",
    "every_tensor_is_finite",
    "the_adapter_changes_answers",
    "the_saved_adapter_answers_like_the_trained_one",
)
# Largest difference between two ways of computing the same logits, as a share of the largest logit
TOLERANCE = {"fp32": 1e-4, "bf16": 3e-2}


def checkpoint_is_sound(version: "Version") -> tuple[bool, dict[str, Any]]:
    """Whether all stored answers are yes and the adapter is still the file they were given for; and each of them."""
    stored = version.json("truth")["truth"]
    adapter = file_digest(version.file("adapter") / "adapter_model.safetensors")
    answers = {name: stored.get(name) is True for name in ANSWERS}
    answers["the_adapter_is_the_one_examined"] = adapter == stored.get("adapter_sha256")
    numbers = {key: value for key, value in stored.items() if key not in ANSWERS and isinstance(value, (int, float, str))}
    return all(answers.values()), {**answers, **numbers}


def probe(model: Any, prompts: list[list[int]], device: Any) -> "torch.Tensor":
    """Logits of the next token after each prompt, float32 [prompts, vocabulary]. One at a time: padding changes nothing."""
    import torch

    was_training = model.training
    model.eval()
    with torch.no_grad():
        rows = [model(input_ids=torch.tensor([ids], device=device)).logits[0, -1].float().cpu() for ids in prompts]
    model.train(was_training)
    return torch.stack(rows)


def examine(
    adapter: Path, base_folder: Path, trained: "torch.Tensor", prompts: list[list[int]], precision: str, device: Any
) -> dict[str, Any]:
    """Load base and adapter afresh from disk and compare with the logits `trained` of the model in memory."""
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    safe = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    base = AutoModelForCausalLM.from_pretrained(base_folder, dtype=dtype, **safe).to(device)
    before = probe(base, prompts, device)
    after = probe(PeftModel.from_pretrained(base, adapter).to(device), prompts, device)
    scale = max(float(before.abs().max()), 1e-9)
    changed, differs = float((after - before).abs().max()) / scale, float((after - trained).abs().max()) / scale
    tensors = load_file(adapter / "adapter_model.safetensors")
    return {
        "every_tensor_is_finite": all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()),
        "the_adapter_changes_answers": isfinite(changed) and changed > max(10 * differs, 1e-6),
        "the_saved_adapter_answers_like_the_trained_one": isfinite(differs) and differs <= TOLERANCE[precision],
        "change_on_probes": number(changed),
        "difference_after_reload": number(differs),
        "adapter_sha256": file_digest(adapter / "adapter_model.safetensors"),
    }


def tidy_adapter(folder: Path, base_weights: str) -> None:
    """Write the adapter's configuration in one spelling, naming its base by content instead of by a path of this machine."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text("utf-8"))
    config["base_model_name_or_path"] = f"sha256:{base_weights}"
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()  # PEFT keeps a set, whose order changes from process to process
    files.replace(path, files.to_json(config))


def number(value: float) -> float | str:
    """A float that JSON can hold: what is no finite number becomes a word."""
    return float(f"{value:.6g}") if isfinite(value) else str(value)
