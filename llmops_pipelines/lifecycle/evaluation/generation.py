"""Text from a causal language model on local disk, with or without a PEFT adapter: greedy, batched, one line per answer.

What is asked, and which model a candidate means, is decided in `models.py`.
"""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from llmops_pipelines.lifecycle.compute.noise import hush
from llmops_pipelines.lifecycle.lake import Refusal

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH = 64
LOCAL = {"local_files_only": True, "trust_remote_code": False}
Precision = Literal["auto", "fp32", "bf16"]


class GenerationError(Refusal):
    """The model cannot answer: the adapter does not fit it, or a prompt is longer than it can read."""


@dataclass(frozen=True)
class Generation:
    """One answer, the tokens it took, its share of the time of its batch, and the tokens that were read for it."""

    text: str
    tokens: int
    milliseconds: float
    tokens_in: int


@dataclass(frozen=True)
class Generator:
    """A loaded model. The most probable token is taken at each step, so the same prompt gives the same answer."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    breaks: tuple[int, ...]  # every token with a line break in it

    @classmethod
    def open(cls, folder: Path, adapter: Path | None = None, precision: Precision = "auto") -> "Generator":
        """Load the model of `folder` and put `adapter` on it. "auto" is bf16 on a CUDA device and fp32 on the CPU.

        Only local files are read and no code of the model is run. Raises `GenerationError` for an adapter of another model.
        """
        hush()
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        bf16 = precision == "bf16" or (precision == "auto" and usually_bf16())
        dtype = torch.bfloat16 if bf16 else torch.float32
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, **LOCAL)
        return cls.of(_adapted(model, folder, adapter) if adapter else model, folder)

    @classmethod
    def of(cls, model: "PreTrainedModel", folder: Path) -> "Generator":
        """A model that was loaded in another way (a compressed one), with the tokenizer of `folder`."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", **LOCAL)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        breaks = (i for i, text in enumerate(tokenizer.batch_decode([[i] for i in range(len(tokenizer))])) if "\n" in text)
        return cls(model.to(_device()).eval(), tokenizer, tuple(breaks))

    def answer(self, prompts: list[str], max_new_tokens: int) -> list[str]:
        """One line per prompt, without the space before it; shorter than `max_new_tokens` where the model ends it."""
        return [generation.text for generation in self.generate(prompts, max_new_tokens)]

    def generate(self, prompts: list[str], max_new_tokens: int, *, one_line: bool = True) -> list[Generation]:
        """Like `answer`, with tokens and time; without `one_line` a line break ends nothing, as reasoning needs.

        Raises `GenerationError` when a prompt does not fit the model's window.
        """
        ids = self.tokenizer(prompts)["input_ids"] if prompts else []
        self._fits(ids, max_new_tokens)
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))  # equal lengths together: little padding
        made: dict[int, Generation] = {}
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            made |= zip(places, self._batch([ids[place] for place in places], max_new_tokens, one_line), strict=True)
        return [made[place] for place in range(len(ids))]

    def _batch(self, ids: list[list[int]], max_new_tokens: int, one_line: bool) -> list[Generation]:
        import torch

        stops = tuple(dict.fromkeys([self.tokenizer.eos_token_id, *(self.breaks if one_line else ())]))
        started = time.perf_counter()
        inputs = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                generation_config=_greedy(max_new_tokens, stops, self.tokenizer.pad_token_id),
            )
        each = 1000 * (time.perf_counter() - started) / len(ids)
        rows = out[:, inputs["input_ids"].shape[1] :].tolist()
        made = [self._until(row, stops, one_line) for row in rows]
        return [Generation(text, tokens, each, len(read)) for (text, tokens), read in zip(made, ids, strict=True)]

    def _until(self, tokens: list[int], stops: tuple[int, ...], one_line: bool) -> tuple[str, int]:
        """The text up to the first stop, and its number of tokens."""
        end = next((place for place, token in enumerate(tokens) if token in stops), len(tokens))
        text = self.tokenizer.decode(tokens[: end + 1], skip_special_tokens=True).lstrip(" ")
        return (text.split("\n")[0] if one_line else text).strip(), min(end + 1, len(tokens))

    def _fits(self, ids: list[list[int]], max_new_tokens: int) -> None:
        window = getattr(self.model.config, "max_position_embeddings", None)
        longest = max(map(len, ids), default=0)
        if window is not None and longest + max_new_tokens > window:
            raise GenerationError(
                f"a prompt has {longest} tokens and its answer may take {max_new_tokens}, but the model reads {window}; "
                "lower answers.passages, answers.max_new_tokens or chunks.tokens"
            )


def usually_bf16() -> bool:
    """Whether models are computed in bf16 when nothing is said: on a CUDA device that has it."""
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _greedy(max_new_tokens: int, stops: tuple[int, ...], pad: int):
    """Generation settings of our own: those saved with a model (temperature, penalties) would change the measurement."""
    from transformers import GenerationConfig

    return GenerationConfig(max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=list(stops), pad_token_id=pad)


def _adapted(model: "PreTrainedModel", folder: Path, adapter: Path) -> "PreTrainedModel":
    """The model with the adapter on it, every tensor of the file in its place: PEFT itself leaves out what finds none."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", framework="numpy") as tensors:
        stored = set(tensors.keys())
    try:
        with warnings.catch_warnings():
            # PEFT 0.21 asks transformers 5.23 for an attribute that was renamed; nothing that we could write differently.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", "Found missing adapter keys", UserWarning)  # compared below
            adapted = PeftModel.from_pretrained(model, adapter, local_files_only=True)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise GenerationError(
            f"{adapter}: the adapter does not fit the model in {folder} ({reason}); train it again"
        ) from error
    loaded = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    if stored != loaded:
        raise GenerationError(
            f"{adapter}: the adapter does not fit the model in {folder} ({len(stored - loaded)} of its {len(stored)} tensors "
            f"have no layer, {len(loaded - stored)} layers have no tensor); train it again on this model"
        )
    return adapted
