"""The asset hard_negatives: for each pair the passages that search finds although they do not answer (Karpukhin 2020,
arXiv 2004.04906). Whatever searches is given as a callable; `found_by` makes one of the pipeline's own retriever.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.datasets.wording import plain
from llmops_pipelines.lifecycle.index import EVERYTHING, Retriever
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version

from ..refusals import TrainingError

if TYPE_CHECKING:
    from ....config.embedder_recipe import HardNegatives

CODE = "hard_negatives-1"
Search = Callable[[Sequence[str], int], list[list[str]]]  # questions and k -> chunk ids of each, best first


def found_by(retriever: Retriever) -> Search:
    """Search of the pipeline's own index; whatever groups may see a passage, it is found."""
    return lambda asked, k: [[hit.chunk_id for hit in hits] for hits in retriever.search(asked, k, EVERYTHING)]


def hard_negatives(
    lake: Lake,
    pairs: Version,
    searched: Sequence[Version],
    search: Search,
    words: "HardNegatives",
    name: str = "hard_negatives",
) -> Version:
    """Asset `name`, table `hard_negatives` of pair_id and chunk_ids (by rank). `searched` is what `search` depends on: the
    index and its settings.

    Only passages of the table `passages` are taken, none with the answer in it, none that answers the same question in
    another pair, and no copy of the right one. Holds the passages in memory. Raises `TrainingError` when none is left at all.
    """
    depth = words.model_dump(exclude={"per_pair"})

    def write(draft: Draft) -> None:
        rows = pairs.table("embedder_pairs").to_pylist()
        found = search([row["question"] for row in rows], words.last)
        _write(draft, rows, _Filter(pairs, rows).kept(found, words.first, dropped := Counter()), dropped)

    return lake.once(name, code=CODE, config=depth, parents=[pairs, *searched], write=write)


class _Filter:
    """Which found passages are wrong answers for certain, as far as words can tell."""

    def __init__(self, pairs: Version, rows: list[dict]) -> None:
        known = pairs.table("passages").to_pylist()
        self._texts = {row["chunk_id"]: row for row in known}
        self._rows = rows
        self._right: dict[str, set[str]] = {}
        for row in rows:
            self._right.setdefault(plain(row["question"]), set()).add(self._texts[row["chunk_id"]]["text_hash"])

    def kept(self, found: list[list[str]], first: int, dropped: Counter) -> list[list[str]]:
        return [
            [chunk for chunk in chunks[first - 1 :] if self._wrong(row, chunk, dropped)]
            for row, chunks in zip(self._rows, found, strict=True)
        ]

    def _wrong(self, row: dict, chunk: str, dropped: Counter) -> bool:
        passage = self._texts.get(chunk)
        if passage is None:
            reason = "not_to_be_learnt_from"
        elif passage["text_hash"] in self._right[plain(row["question"])]:
            reason = "right_answer"
        elif plain(row["answer"]) in plain(passage["text"]):
            reason = "holds_the_answer"
        else:
            return True
        dropped[reason] += 1
        return False


def _write(draft: Draft, rows: list[dict], negatives: list[list[str]], dropped: Counter) -> None:
    import pyarrow as pa

    count = sum(map(len, negatives))
    if not count:
        raise TrainingError(
            f"search found no wrong passage for any of {len(rows)} questions ({dict(dropped)}); raise negatives.last, or set "
            "negatives.per_pair: 0 to learn from the other passages of a batch alone"
        )
    columns = {"pair_id": [row["pair_id"] for row in rows], "chunk_ids": pa.array(negatives, pa.list_(pa.string()))}
    draft.table("hard_negatives", pa.table(columns))
    draft.facts |= {
        "pairs": len(rows),
        "negatives": count,
        "pairs_without": sum(not each for each in negatives),
        **{f"dropped_{reason}": number for reason, number in sorted(dropped.items())},
    }
