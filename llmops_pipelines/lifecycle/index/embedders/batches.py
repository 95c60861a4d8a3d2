"""Which texts go through a model together: texts of one length, up to a budget of tokens."""

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], budget: int, step: int = 1) -> Iterator[tuple[int, list[int]]]:
    """Padded length and row numbers of each batch, from long to short: little is padded, and the first batch shows whether
    memory is enough. Padded lengths are multiples of `step`; a batch has at most `budget` tokens, or one row."""
    batch: list[int] = []
    length = 0
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if batch and length * (len(batch) + 1) > budget:
            yield length, batch
            batch = []
        if not batch:
            length = -(-lengths[row] // step) * step
        batch.append(row)
    if batch:
        yield length, batch
