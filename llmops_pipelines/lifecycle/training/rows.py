"""Training examples as token ids: prompt and completion apart, loss on the completion and the end mark only."""

from pathlib import Path
from typing import TYPE_CHECKING

from .refusals import TrainingError

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # what the loss function of torch skips


def read(path: Path, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> "Dataset":
    """The examples of a Parquet table as a Dataset of example_id, input_ids, labels; row order kept.

    Prompt and completion are tokenised apart because the model meets them so when it answers: no token spans the two.
    Raises `TrainingError` for examples that are longer than `max_tokens` or have an empty completion.
    """
    import pyarrow.parquet as pq
    from datasets import Dataset

    table = pq.read_table(path, columns=["example_id", "prompt", "completion"], page_checksum_verification=True)
    names, prompts, completions = (table.column(name).to_pylist() for name in table.column_names)
    before = tokenizer(prompts)["input_ids"]
    after = [ids + [tokenizer.eos_token_id] for ids in tokenizer(completions, add_special_tokens=False)["input_ids"]]
    check(names, [len(a) + len(b) for a, b in zip(before, after, strict=True)], [len(b) - 1 for b in after], max_tokens)
    rows = {
        "example_id": names,
        "input_ids": [a + b for a, b in zip(before, after, strict=True)],
        "labels": [[IGNORED] * len(a) + b for a, b in zip(before, after, strict=True)],
    }
    return Dataset.from_dict(rows)


def check(names: list[str], lengths: list[int], learned: list[int], max_tokens: int) -> None:
    """Refuse examples that would have to be cut, and those that nothing can be learned from."""
    long = sorted(((n, name) for name, n in zip(names, lengths, strict=True) if n > max_tokens), reverse=True)
    if long:
        size, name = long[0]
        raise TrainingError(
            f"training example {name} has {size} tokens, the recipe allows max_tokens: {max_tokens} ({len(long)} of "
            f"{len(names)} examples are longer); raise max_tokens to {size}, or lower chunks.tokens or answers.passages"
        )
    if empty := [name for name, n in zip(names, learned, strict=True) if n < 1]:
        raise TrainingError(f"training example {empty[0]} has an empty completion ({len(empty)} in all); remove it")


def probes(dataset: "Dataset", count: int = 4) -> list[list[int]]:
    """Prompts, spread evenly over the examples, that the finished adapter is examined with."""
    places = sorted({round(k * (len(dataset) - 1) / max(count - 1, 1)) for k in range(count)})
    examples = [dataset[place] for place in places]
    return [e["input_ids"][: e["labels"].count(IGNORED)] for e in examples]
