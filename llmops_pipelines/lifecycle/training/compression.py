"""The stage `compressed`: a trained model as one folder of safetensors that is served alone, whole or in 8 bits.

A compressed model is a candidate of its own: here only its size and its distance from the original are recorded; what its
answers are worth is measured in `evaluation/`, on the very files made here.
"""

import shutil
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..compute.noise import hush
from ..lake import Draft, Lake, Version
from ..lake.digests import file_digest
from .refusals import TrainingError
from .truth import digest_of
from .weights import weights_digest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

CODE = "compressed-1"
How = Literal["merged", "int8"]
PROBES = (
    "Context:\nThe ferry leaves the north quay at nine and returns at noon.\n\nQuestion: When does the ferry leave?\nAnswer:",
    "Context:\nThe lamp was lit in 1911 by Ada Holm.\n\nQuestion: Who lit the lamp?\nAnswer:",
    "Question: What is the limit in the inner basin?\nAnswer:",
    "def f(x): return x ** 2",
)
# Largest difference of a logit that is still rounding, as a share of the largest logit: bf16 rounds each weight by 0.4 %,
# int8 per row by 0.4 % of the row's largest weight
TOLERANCE = {"merged": 0.1, "int8": 0.2}
LOADED = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}


@dataclass(frozen=True)
class Distance:
    """Between two models on `PROBES`: largest difference of a logit as a share of the largest one, the share of equal next
    tokens, and the mean divergence of the distributions (KL, nats)."""

    logits: float
    same_token: float
    divergence: float


def compress(lake: Lake, base: Version, checkpoint: Version | None, how: How, name: str) -> Version:
    """The model as the version of asset "compressed/<name>": folder `model`, jsons `compressed` and `distance`.

    merged: the adapter added into the base's weights, in the base's number format. int8: the same with the matrices of all
    layers in 8 bits and one scale per row (torchao's weight-only; embedding and output head stay). Without `checkpoint` the
    base itself. Raises `TrainingError` when the checkpoint was trained on another base, or the result is no number.
    """
    parents = [base, *([checkpoint] if checkpoint else [])]
    source = _Source.of(base, checkpoint)

    def write(draft: Draft) -> None:
        hush()
        folder = draft.file("model")
        with tempfile.TemporaryDirectory(dir=draft.path.parent) as beside:
            whole = Path(beside) / "whole"
            source.save_whole(whole)
            {"merged": _store_merged, "int8": _store_int8}[how](whole, folder, source.dtype())
            source.copy_tokenizer(folder)
            found = distance(open_model(whole), open_model(folder), source.prompts())
        _describe(draft, how, source, folder, found)

    return lake.once(f"compressed/{name}", code=CODE, config={"how": how}, parents=parents, write=write)


def compressed_is_sound(version: Version) -> tuple[bool, dict[str, Any]]:
    """For an asset check: it answers like the original up to rounding, and the files are those that were examined."""
    said, far = version.json("compressed"), version.json("distance")
    answers = {
        "it_answers_like_the_original": far["logits"] <= TOLERANCE[said["how"]],
        "the_weights_are_the_ones_examined": digest_of(version.file("model"), "model") == said["weights_sha256"],
    }
    return all(answers.values()), {**answers, **far, "tolerance": TOLERANCE[said["how"]]}


def open_model(folder: Path, bf16: bool = False) -> "PreTrainedModel":
    """A causal model from local safetensors, compressed or not; its config.json says how its weights are stored."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    hush()
    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16 if bf16 else torch.float32, **LOADED)
    return model.eval()


def distance(one: "PreTrainedModel", other: "PreTrainedModel", prompts: list[list[int]]) -> Distance:
    """Raises `TrainingError` when a logit is not finite."""
    import torch

    logits, equal, divergence, largest = 0.0, 0, 0.0, 0.0
    for ids in prompts:
        with torch.inference_mode():
            first, second = (model(torch.tensor([ids])).logits[0].float() for model in (one, other))
        if not (torch.isfinite(first).all() and torch.isfinite(second).all()):
            raise TrainingError("the model or what became of it gives logits that are no numbers; train it again")
        logits, largest = max(logits, float((first - second).abs().max())), max(largest, float(first.abs().max()))
        equal += int((first.argmax(dim=1) == second.argmax(dim=1)).sum())
        rows = [scores.log_softmax(dim=1) for scores in (second, first)]
        divergence += float(torch.nn.functional.kl_div(*rows, log_target=True, reduction="sum"))
    tokens = sum(map(len, prompts))
    return Distance(logits / max(largest, 1e-9), equal / tokens, divergence / tokens)


@dataclass(frozen=True)
class _Source:
    """Where the model that is compressed comes from. `adapter` and `whole` are folders of a checkpoint, or None."""

    base: Path
    files: dict[str, str]
    adapter: Path | None
    whole: Path | None

    @classmethod
    def of(cls, base: Version, checkpoint: Version | None) -> "_Source":
        model = base.json("base_model")
        folder, files = Path(model["folder"]), model["files"]
        if checkpoint is None:
            return cls(folder, files, None, None)
        said = checkpoint.json("checkpoint")
        if said["base_weights_sha256"] != weights_digest(files):
            raise TrainingError(
                f"the checkpoint was trained on base weights {said['base_weights_sha256'][:12]}, the base model has "
                f"{weights_digest(files)[:12]}; train again on this base"
            )
        if said["kind"] == "adapter":
            return cls(folder, files, checkpoint.file("adapter"), None)
        return cls(folder, files, None, checkpoint.file("model"))

    def dtype(self) -> "torch.dtype":
        """Of most of the base's stored weights."""
        import torch
        from safetensors import safe_open

        sizes: Counter[str] = Counter()
        for path in sorted(self.base.glob("*.safetensors")):
            with safe_open(path, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118  (safe_open is not a mapping)
                    sizes[tensors.get_slice(name).get_dtype()] += 1
        return {"BF16": torch.bfloat16, "F16": torch.float16}.get(sizes.most_common(1)[0][0], torch.float32)

    def save_whole(self, folder: Path) -> None:
        """The model in fp32 without an adapter. Raises `TrainingError` when a file of the base is not the verified one."""
        for name, expected in self.files.items():
            if file_digest(self.base / name) != expected:
                raise TrainingError(f"{self.base / name}: changed since it was verified; restore it and run again")
        model = open_model(self.whole or self.base)
        if self.adapter:
            from peft import PeftModel

            with warnings.catch_warnings():
                # PEFT 0.21 asks transformers 5.23 for an attribute that was renamed
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
                model = PeftModel.from_pretrained(model, self.adapter, local_files_only=True).merge_and_unload(safe_merge=True)
        model.save_pretrained(folder)

    def copy_tokenizer(self, folder: Path) -> None:
        """All that is read of a base besides its weights and its configuration, which the new weights have their own of."""
        for name in self.files:
            if not name.endswith((".safetensors", ".safetensors.index.json")) and not (folder / name).exists():
                shutil.copyfile((self.whole or self.base) / name, folder / name)

    def prompts(self) -> list[list[int]]:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.base, local_files_only=True, trust_remote_code=False)
        return [ids for ids in tokenizer(list(PROBES))["input_ids"] if ids]


def _store_merged(whole: Path, folder: Path, dtype: "torch.dtype") -> None:
    open_model(whole).to(dtype).save_pretrained(folder)


def _store_int8(whole: Path, folder: Path, dtype: "torch.dtype") -> None:
    import torch
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import AutoModelForCausalLM, TorchAoConfig

    how = TorchAoConfig(Int8WeightOnlyConfig())
    model = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32, quantization_config=how, **LOADED)
    model.save_pretrained(folder)
    for path in sorted(folder.glob("*.safetensors")):
        _as_small_as_the_base(path, dtype)


def _as_small_as_the_base(path: Path, dtype: "torch.dtype") -> None:
    """Put what was not quantised (embeddings, norms) into the base's number format; scales stay exact."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, framework="pt") as stored:
        said = stored.metadata()
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  (safe_open is not a mapping)
    plain = {name for name in tensors if name in said}  # parts of a quantised weight have names of their own
    save_file({name: each.to(dtype) if name in plain else each for name, each in tensors.items()}, path, metadata=said)


def _describe(draft: Draft, how: How, source: _Source, folder: Path, found: Distance) -> None:
    before = sum((source.base / name).stat().st_size for name in source.files if name.endswith(".safetensors"))
    if source.adapter:
        before += (source.adapter / "adapter_model.safetensors").stat().st_size
    after = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    sizes = {"megabytes": round(after / 1e6, 3), "megabytes_before": round(before / 1e6, 3)}
    numbers = {name: round(value, 6) for name, value in vars(found).items()}
    identity = {"how": how, "weights_sha256": digest_of(folder, "model")}
    draft.json("compressed", {**identity, "base_weights_sha256": weights_digest(source.files), **sizes})
    draft.json("distance", numbers, data=False)
    draft.facts |= {**identity, **sizes, **{f"distance_{name}": value for name, value in numbers.items()}}
