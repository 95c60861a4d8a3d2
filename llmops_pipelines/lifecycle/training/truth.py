"""Is the finished adapter or model what it claims to be? The questions are asked inside the training process, where the
model is; the answers are stored with the checkpoint, so that the asset check needs no torch.
"""

import json
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import digest, files
from ..lake.digests import file_digest
from .weights import weights_digest

if TYPE_CHECKING:
    import torch

    from ..lake import Version

ENGINE = "DeepSpeedEngine"
ANSWERS = (
    "the_engine_is_deepspeed",
    "the_base_is_unchanged",
    "the_tokenizer_is_unchanged",
    "every_loss_is_finite",
    "every_tensor_is_finite",
    "every_weight_was_gathered",
    "training_changes_answers",
    "what_was_saved_answers_like_what_was_trained",
)
# Largest difference between two ways of computing the same logits, as a share of the largest logit
TOLERANCE = {"fp32": 1e-4, "bf16": 3e-2}
SPELLED = ("The ferry sails at 9:30.", " costs 12,50 €", "\n\nQuestion:", "<s> a  b\tc </s>", "Ærø · 東京 · 🚢")


def checkpoint_is_sound(version: "Version") -> tuple[bool, dict[str, Any]]:
    """Whether all stored answers are yes and the weights are still those they were given for; and each of them."""
    stored = version.json("truth")["truth"]
    kind = "model" if "model_sha256" in stored else "adapter"
    answers = {name: stored.get(name) is True for name in ANSWERS}
    answers["the_weights_are_those_examined"] = digest_of(version.file(kind), kind) == stored.get(f"{kind}_sha256")
    numbers = {key: value for key, value in stored.items() if key not in ANSWERS and isinstance(value, (int, float, str))}
    return all(answers.values()), {**answers, **numbers}


def digest_of(folder: Path, kind: str) -> str:
    """sha256 of the weights in the folder `adapter` or `model` of a checkpoint."""
    if kind == "adapter":
        return file_digest(folder / "adapter_model.safetensors")
    return weights_digest({path.name: file_digest(path) for path in folder.glob("*.safetensors")})


def probe(model: Any, prompts: list[list[int]], device: Any) -> "torch.Tensor":
    """Logits of the next token after each prompt, float32 [prompts, vocabulary]. One at a time: padding changes nothing."""
    import torch

    was_training = model.training
    model.eval()
    with torch.no_grad():
        rows = [model(input_ids=torch.tensor([ids], device=device)).logits[0, -1].float().cpu() for ids in prompts]
    model.train(was_training)
    return torch.stack(rows)


def spelling(tokenizer: Any) -> str:
    """A digest of how a tokenizer spells: its vocabulary, its marks, its chat template, and some texts. The padding mark is
    left out, which TRL sets for itself."""
    marks = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.chat_template]
    spelled = [tokenizer(text)["input_ids"] for text in SPELLED]
    return digest([sorted(tokenizer.get_vocab().items()), marks, spelled])


def examine(
    saved: Path,
    kind: str,
    load: Callable[[Path | None], Any],
    trained: "torch.Tensor",
    prompts: list[list[int]],
    precision: str,
) -> dict[str, Any]:
    """Load what was `saved` afresh from disk and compare it with the base and with the logits `trained` of the model in memory.

    `load(None)` gives the base in the precision of the training and on its device, `load(folder)` another model likewise.
    """
    base = load(None)
    device = next(base.parameters()).device
    before = probe(base, prompts, device)
    gathered, afresh = (_adapter if kind == "adapter" else _model)(saved, base, load)
    after = probe(afresh, prompts, device) if gathered else before * float("nan")
    scale = max(float(before.abs().max()), 1e-9)
    changed, differs = float((after - before).abs().max()) / scale, float((after - trained).abs().max()) / scale
    return {
        "every_tensor_is_finite": finite(saved),
        "every_weight_was_gathered": gathered,
        "training_changes_answers": isfinite(changed) and changed > max(10 * differs, 1e-6),
        "what_was_saved_answers_like_what_was_trained": isfinite(differs) and differs <= TOLERANCE[precision],
        "change_on_probes": number(changed),
        "difference_after_reload": number(differs),
        f"{kind}_sha256": digest_of(saved, kind),
    }


def finite(saved: Path) -> bool:
    import torch
    from safetensors.torch import load_file

    tensors = (tensor for path in saved.glob("*.safetensors") for tensor in load_file(path).values())
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every stored tensor."""
    from safetensors import safe_open

    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as tensors:
            found |= {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    return found


def _adapter(saved: Path, base: Any, load: Callable[[Path | None], Any]) -> tuple[bool, Any]:
    """Whether every adapter tensor that the base has room for is there in full (ZeRO-3 leaves empty ones); and the model."""
    from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict

    config = LoraConfig.from_pretrained(saved)
    adapted = get_peft_model(base, config)
    wanted = {name: tuple(tensor.shape) for name, tensor in get_peft_model_state_dict(adapted).items()}
    if shapes(saved) != wanted:
        return False, None
    return True, PeftModel.from_pretrained(adapted.unload(), saved).to(next(base.parameters()).device)


def _model(saved: Path, base: Any, load: Callable[[Path | None], Any]) -> tuple[bool, Any]:
    """The same for a whole model. Tied weights are stored once, or twice, as the library likes."""
    wanted = {name: tuple(tensor.shape) for name, tensor in base.state_dict().items()}
    stored, tied = shapes(saved), set(getattr(base, "all_tied_weights_keys", None) or ())
    if stored.keys() - wanted.keys() or wanted.keys() - stored.keys() - tied:
        return False, None
    if any(wanted[name] != shape for name, shape in stored.items()):
        return False, None
    return True, load(saved)


def tidy_adapter(folder: Path, base_weights: str) -> None:
    """Write the adapter's configuration in one spelling, naming its base by content instead of by a path of this machine."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text("utf-8"))
    config["base_model_name_or_path"] = f"sha256:{base_weights}"
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()  # PEFT keeps a set, whose order changes from process to process
    files.replace(path, files.to_json(config))


def tidy_model(folder: Path) -> None:
    """The same for a model's configuration, which must not name a folder of this machine."""
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config.pop("_name_or_path", None)
    files.replace(path, files.to_json(config))


def number(value: float) -> float | str:
    """A float that JSON can hold: what is no finite number becomes a word."""
    return float(f"{value:.6g}") if isfinite(value) else str(value)
