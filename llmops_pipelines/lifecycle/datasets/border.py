"""The border between training and evaluation for one corpus: questions on their sides, and the passages left to learn from."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from llmops_pipelines.lifecycle.lake import Lake, Version

from .contamination import Runs
from .question_files import Row
from .questions import Placed, place, texts_of
from .shelf import Shelf, stocked
from .splits import sides_of
from .wording import copied_from, owners, plain


@dataclass(frozen=True)
class Border:
    """`runs` are the word runs, `asked` the plain words of evaluation questions."""

    placed: Placed
    runs: Runs
    asked: frozenset[str]
    shelf: Shelf


def draw(
    lake: Lake,
    documents: Version,
    chunks: Version,
    rows: Iterable[Row],
    held_out: float,
    window: int,
    dropped: Counter[str],
) -> Border:
    """Reads the corpus. Holds the passages of the train side in memory; those left out are counted in `dropped`."""
    placed = place(list(rows), documents, held_out)
    held = {doc_id for question in placed.held_out for doc_id in question.documents}
    windows = owners(texts_of(lake, documents, held))
    runs = Runs(placed.held_out, window)

    def copied(text: str) -> bool:
        return copied_from(text, windows) is not None or runs.shared_with(text) is not None

    shelf = stocked(lake, documents, chunks, sides_of(documents, held_out), copied, dropped)
    return Border(placed, runs, frozenset(plain(question.question) for question in placed.held_out), shelf)
