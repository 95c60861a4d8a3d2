"""Rows of token ids as tensors of one batch: padded, or packed so that examples in one row do not see each other.

Every batch says how many of its tokens are real (`REAL`), which the training process takes out before the model reads it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .rows import IGNORED

if TYPE_CHECKING:
    import torch

REAL = "real_tokens"
SHORTEST = 4  # tokens of an example on average, at least, for `flat_rows`; with shorter ones the model is compiled again
Row = dict[str, Any]


def counted(collate: Callable[[list[Row]], dict[str, Any]]) -> Callable[[list[Row]], dict[str, Any]]:
    """`collate` (one of TRL's) with the number of real tokens beside its tensors."""

    def collated(rows: list[Row]) -> dict[str, Any]:
        batch = collate(rows)
        return {**batch, REAL: int(batch["attention_mask"].sum())}

    return collated


def packed_rows(rows: list[Row]) -> dict[str, Any]:
    """Packed rows side by side. Positions start anew with each example, and there is no attention mask: from that
    transformers makes the block-diagonal one (`masking_utils.find_packed_sequence_indices`). TRL's own collator puts all
    rows of a batch into a single one, whose attention without varlen kernels takes `rows` times the work."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED)
    positions = torch.zeros(len(rows), width, dtype=torch.long)  # padding: each token an example of its own
    for place, row in enumerate(rows):
        size = len(row["input_ids"])
        ids[place, :size] = torch.tensor(row["input_ids"])
        labels[place, :size] = torch.tensor(row["labels"])
        positions[place, :size] = _positions(row["seq_lengths"])
        labels[place, :size][positions[place, :size] == 0] = IGNORED  # the first token has nothing before it
    return {"input_ids": ids, "labels": labels, "position_ids": positions, REAL: sum(len(r["input_ids"]) for r in rows)}


def flat_rows(room: int) -> Callable[[list[Row]], dict[str, Any]]:
    """For `attention.py`: all rows of a batch as one, always of the same shape (a compiled model is compiled once). `room`
    is the length of a row."""

    def collated(rows: list[Row]) -> dict[str, Any]:
        import torch

        batch = packed_rows([{**row, **_filled(row, room)} for row in rows])
        lengths = [size for row in rows for size in _filled(row, room)["seq_lengths"]]
        ends = torch.tensor([0, *lengths]).cumsum(0, dtype=torch.int32)
        most = len(rows) * room // SHORTEST + 1
        if len(ends) < most:  # examples of no length behind the last one
            ends = torch.cat([ends, ends[-1:].expand(most - len(ends))])
        flat = {name: tensor.reshape(1, -1) for name, tensor in batch.items() if name != REAL}
        flat |= {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": room, "max_length_k": room}
        return {**flat, REAL: sum(len(row["input_ids"]) for row in rows)}

    return collated


def _filled(row: Row, room: int) -> Row:
    """The row made as long as `room` by an example of padding that nothing is learnt from."""
    rest = room - len(row["input_ids"])
    if not rest:
        return {"seq_lengths": list(row["seq_lengths"])}
    return {
        "input_ids": list(row["input_ids"]) + [0] * rest,
        "labels": list(row["labels"]) + [IGNORED] * rest,
        "seq_lengths": [*row["seq_lengths"], rest],
    }


def _positions(lengths: list[int]) -> "torch.Tensor":
    import torch

    return torch.cat([torch.arange(size) for size in lengths])
