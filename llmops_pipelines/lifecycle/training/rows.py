"""The training table as token ids: which rows take part, what the loss is taken of, several examples in one row.

Prompt and completion are tokenised apart because the model meets them so when it answers: no token spans the two.
"""

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .refusals import TrainingError
from .settings import completions

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # what the loss function of torch skips


def table(path: Path, recipe: dict[str, Any]) -> "pa.Table":
    """The rows of a training table that the recipe's method and mix use, in the table's order. Raises `TrainingError`."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        wanted = ["example_id", "prompt", *completions(recipe["method"]), *(["origin"] if recipe["mix"] else [])]
        if missing := set(wanted) - set(file.schema_arrow.names):
            raise TrainingError(
                f"{path}: no column {sorted(missing)[0]}, which method {recipe['method']} learns from; "
                "dpo takes preference_pairs, every other method training_examples"
            )
        found = file.read(wanted)
    if recipe["mix"]:
        names, origins = (found.column(name).to_pylist() for name in ("example_id", "origin"))
        found = found.take(pick(names, origins, recipe["mix"], recipe["seed"]))
    return found


def pick(names: list[str], origins: list[str], mix: dict[str, float], seed: int) -> list[int]:
    """Places of as many rows as there can be with these parts, no row twice; the same ones whatever order they come in."""
    places = defaultdict(list)
    for place, origin in enumerate(origins):
        places[origin].append(place)
    if absent := sorted(set(mix) - set(places)):
        raise TrainingError(
            f"recipe.mix: no training example has origin {absent[0]!r}; there are {', '.join(sorted(places)) or 'none'}"
        )
    rows_per_part = min(len(places[origin]) / part for origin, part in mix.items())
    chosen: list[int] = []
    for origin, part in mix.items():
        drawn = sorted(places[origin], key=lambda place: hashlib.sha256(f"{seed}/{names[place]}".encode()).digest())
        chosen += drawn[: max(round(rows_per_part * part), 1)]
    return sorted(chosen)


def read(path: Path, tokenizer: "PreTrainedTokenizerBase", recipe: dict[str, Any]) -> "Dataset":
    """The examples as a Dataset of example_id, input_ids, labels; row order kept.

    Raises `TrainingError` for examples that are longer than `max_tokens` or have an empty completion.
    """
    from datasets import Dataset

    names, prompts, answers = (column.to_pylist() for column in table(path, recipe).columns[:3])
    before, after = tokenizer(prompts)["input_ids"], _ended(answers, tokenizer)
    check(names, [len(a) + len(b) for a, b in zip(before, after, strict=True)], _learnt(after), recipe["max_tokens"])
    both = zip(before, after, strict=True)
    whole = recipe["learn_from"] == "everything"
    rows = {
        "example_id": names,
        "input_ids": [a + b for a, b in zip(before, after, strict=True)],
        "labels": [a + b if whole else [IGNORED] * len(a) + b for a, b in both],
    }
    return Dataset.from_dict(rows)


def read_pairs(path: Path, tokenizer: "PreTrainedTokenizerBase", recipe: dict[str, Any]) -> "Dataset":
    """Preference pairs as a Dataset of example_id, prompt_ids, chosen_ids, rejected_ids. Refuses like `read`."""
    from datasets import Dataset

    names, prompts, *answers = (column.to_pylist() for column in table(path, recipe).columns[:4])
    before, sides = tokenizer(prompts)["input_ids"], [_ended(side, tokenizer) for side in answers]
    for side in sides:
        check(names, [len(a) + len(b) for a, b in zip(before, side, strict=True)], _learnt(side), recipe["max_tokens"])
    if same := [name for name, good, bad in zip(names, *sides, strict=True) if good == bad]:
        raise TrainingError(f"preference pair {same[0]}: chosen and rejected are the same ({len(same)} in all); remove it")
    return Dataset.from_dict({"example_id": names, "prompt_ids": before, "chosen_ids": sides[0], "rejected_ids": sides[1]})


def _ended(texts: list[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    return [ids + [tokenizer.eos_token_id] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]


def _learnt(after: list[list[int]]) -> list[int]:
    return [len(ids) - 1 for ids in after]


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


def pack(dataset: "Dataset", max_tokens: int) -> "Dataset":
    """Examples put together to rows of at most `max_tokens`, best fit first; `seq_lengths` says where each one ends."""
    from trl import pack_dataset

    return pack_dataset(dataset.select_columns(["input_ids", "labels"]), max_tokens, strategy="bfd")


def tokens(dataset: "Dataset") -> int:
    """Tokens that one epoch reads, padding not counted; the prompt of a preference pair is read twice."""
    if "prompt_ids" in dataset.column_names:
        columns = [dataset["prompt_ids"], dataset["prompt_ids"], dataset["chosen_ids"], dataset["rejected_ids"]]
    else:
        columns = [dataset["input_ids"]]
    return sum(len(ids) for column in columns for ids in column)


def probes(dataset: "Dataset", count: int = 4) -> list[list[int]]:
    """Prompts, spread evenly over the examples, that the finished model is examined with."""
    places = sorted({round(k * (len(dataset) - 1) / max(count - 1, 1)) for k in range(count)})
    examples = [dataset[place] for place in places]
    return [e["prompt_ids"] if "prompt_ids" in e else e["input_ids"][: max(e["labels"].count(IGNORED), 1)] for e in examples]
