"""Is what an engine holds exactly what was to be indexed? Asked of the engine itself, before anything is published."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Store

from .embedding import vectors_of
from .engines.contract import Point, Reader
from .errors import IndexingError

if TYPE_CHECKING:
    import numpy as np

SAMPLES = 64
VECTOR_TOLERANCE = 1e-6  # per component, of a float32 that went through JSON
NEAREST = 10


def verify(reader: Reader, points: Sequence[Point], store: Store, dimension: int, place: str) -> int:
    """Raise IndexingError unless count, ids, sampled vectors and sampled searches are right. Returns the number of samples."""
    wanted = {point.chunk_id: point.text_hash for point in points}
    held = reader.holdings()
    if held != wanted or reader.count() != len(wanted):
        wrong = sorted(wanted.items() ^ held.items()) or [("?", "")]
        raise IndexingError(
            f"{place}: holds {reader.count()} chunks, {len(wanted)} were to be there, the first that differs is {wrong[0][0]}; "
            "nothing was published, run it again"
        )
    sample = sorted(points, key=lambda point: point.chunk_id)[:: max(1, len(points) // SAMPLES)][:SAMPLES]
    hashes = list(dict.fromkeys(point.text_hash for point in sample))
    expected = dict(zip(hashes, vectors_of(store, hashes, dimension), strict=True))
    _verify_vectors(reader, sample, expected, place)
    _verify_search(reader, sample, expected, wanted, place)
    return len(sample)


def _verify_vectors(reader: Reader, sample: Sequence[Point], expected: "dict[str, np.ndarray]", place: str) -> None:
    import numpy as np

    stored = reader.vectors([point.chunk_id for point in sample])
    for point in sample:
        row = np.asarray(stored.get(point.chunk_id, []), dtype=np.float32)
        if (
            row.shape != expected[point.text_hash].shape
            or not np.abs(row - expected[point.text_hash]).max() <= VECTOR_TOLERANCE
        ):
            raise IndexingError(f"{place}: the vector of chunk {point.chunk_id} is not the one embedded; nothing was published")


def _verify_search(
    reader: Reader, sample: Sequence[Point], expected: "dict[str, np.ndarray]", wanted: dict[str, str], place: str
) -> None:
    """A chunk, searched with its own vector, must be found (or one with the same text: their order is arbitrary)."""
    import numpy as np

    answers = reader.search(np.stack([expected[point.text_hash] for point in sample]), NEAREST)
    lost = [
        point.chunk_id
        for point, found in zip(sample, answers, strict=True)
        if point.text_hash not in {wanted.get(hit.chunk_id) for hit in found}
    ]
    if lost:
        raise IndexingError(
            f"{place}: {len(lost)} of {len(sample)} chunks are not found by their own vector, first {lost[0]}; "
            "nothing was published"
        )
