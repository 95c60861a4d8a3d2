"""The asset embedder_pairs: questions of the train side, each with the passage that answers it; no model takes part.

Where the questions come from is decided in `datasets/`; wrong passages beside the right one are found in `negatives.py`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle import datasets
from llmops_pipelines.lifecycle.datasets.splits import trainable
from llmops_pipelines.lifecycle.datasets.wording import overlap, plain
from llmops_pipelines.lifecycle.index.passages import slices, with_head
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, digest
from llmops_pipelines.lifecycle.lake.digests import text_digest

from ..refusals import TrainingError

if TYPE_CHECKING:
    import pyarrow as pa

CODE = "embedder_pairs-1"
REFUSALS = ("unanswerable", "wrong_passages")  # origins of examples whose passages do not answer
CHUNK = ["chunk_id", "doc_id", "content_hash", "start", "end", "head", "text_hash"]


@dataclass(frozen=True)
class Pair:
    """One row of the table embedder_pairs. `chunk_id` is the passage that answers, `cluster` the one of its document."""

    pair_id: str
    question: str
    answer: str
    chunk_id: str
    cluster: str
    origin: str


def embedder_pairs(lake: Lake, documents: Version, chunks: Version, examples: Version, held_out: float) -> Version:
    """Asset embedder_pairs: a pair per question of `examples` whose answer stands in one of the passages it was given.

    Table `passages` holds every passage that may be learnt from, as the embedder reads it (chunk_id, cluster, text_hash,
    text). `held_out` is the pipeline's: nothing of that side is in either table. Raises `TrainingError` for no pairs.
    """

    def write(draft: Draft) -> None:
        clusters = _clusters(documents, held_out)
        places: dict[tuple[str, str], str] = {}
        with draft.writer("passages", _passages_schema()) as add:
            for rows in _train_side(chunks, clusters):
                add(_passages(lake, rows, clusters, places))
        _write(draft, list(_pairs(examples, clusters, places, dropped := Counter())), len(places), dropped)

    config = {"held_out": held_out}
    return lake.once("embedder_pairs", code=CODE, config=config, parents=[documents, chunks, examples], write=write)


def on_measured_side(cluster: str, share: float) -> bool:
    """Whether the tuned model is measured on this cluster, and thus not trained on it; follows from the cluster alone.

    Not `datasets.side`: of what that one calls "train" it would hold out nothing.
    """
    return int.from_bytes(sha256(f"embedder:{cluster}".encode()).digest()[:8], "big") / 2**64 < share


def _clusters(documents: Version, held_out: float) -> dict[str, str]:
    """doc_id -> cluster of every document that a model may learn from."""
    rows = documents.table(columns=["doc_id", "cluster", "consent", "trust"]).to_pylist()
    places = datasets.sides_of(documents, held_out)
    learnt = (row for row in rows if trainable(row["consent"], row["trust"]))
    return {row["doc_id"]: row["cluster"] for row in learnt if places[row["doc_id"]] == "train"}


def _train_side(chunks: Version, clusters: dict[str, str]) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(clusters, pa.string())
    for batch in chunks.batches(columns=CHUNK):
        yield batch.filter(pc.is_in(batch.column("doc_id"), known))


def _passages(
    lake: Lake, rows: "pa.RecordBatch", clusters: dict[str, str], places: dict[tuple[str, str], str]
) -> "pa.RecordBatch":
    """Rows of the table passages; `places` learns which chunk has which bare text in which document."""
    import pyarrow as pa

    said, texts = rows.to_pylist(), slices(lake, rows)
    for row, text in zip(said, texts, strict=True):
        places.setdefault((row["doc_id"], text_digest(text.strip())), row["chunk_id"])
    whole = [with_head(row["head"], text) for row, text in zip(said, texts, strict=True)]
    columns = [[row["chunk_id"] for row in said], [clusters[row["doc_id"]] for row in said]]
    return pa.RecordBatch.from_arrays(
        [pa.array(each, pa.string()) for each in (*columns, [row["text_hash"] for row in said], whole)],
        schema=_passages_schema(),
    )


def _pairs(examples: Version, clusters: dict[str, str], places: dict[tuple[str, str], str], dropped: Counter) -> Iterator[Pair]:
    seen: set[str] = set()
    for row in examples.table(columns=["question", "contexts", "answer", "doc_ids", "origin"]).to_pylist():
        if row["origin"] in REFUSALS:
            dropped["refusal"] += 1
            continue
        found = _answering(row, places)
        if found is None:
            dropped["no_passage_holds_the_answer"] += 1
            continue
        doc_id, chunk = found
        pair_id = digest([row["question"], chunk])[:32]
        if pair_id in seen:
            dropped["repeated_pair"] += 1
            continue
        seen.add(pair_id)
        yield Pair(pair_id, row["question"], row["answer"], chunk, clusters[doc_id], row["origin"])


def _answering(row: dict, places: dict[tuple[str, str], str]) -> tuple[str, str] | None:
    """(doc_id, chunk_id) of the passage that holds the answer; of several the one nearest to the question's words."""
    holding = [text for text in row["contexts"] if plain(row["answer"]) in plain(text)]
    for text in sorted(holding, key=lambda text: -overlap(row["question"], text)):
        for doc_id in row["doc_ids"]:
            if chunk := places.get((doc_id, text_digest(text.strip()))):
                return doc_id, chunk
    return None


def _write(draft: Draft, pairs: list[Pair], passages: int, dropped: Counter) -> None:
    import pyarrow as pa

    if not pairs:
        raise TrainingError(
            f"no question-passage pair results from {sum(dropped.values())} training examples ({dict(dropped)}); add "
            "questions, or raise training.pairs_per_document"
        )
    schema = pa.schema([(name, pa.string()) for name in Pair.__dataclass_fields__])
    draft.table("embedder_pairs", pa.Table.from_pylist([vars(pair) for pair in pairs], schema))
    draft.facts |= {
        "pairs": len(pairs),
        "passages": passages,
        "clusters": len({pair.cluster for pair in pairs}),
        **{f"origin_{origin}": count for origin, count in sorted(Counter(pair.origin for pair in pairs).items())},
        **{f"dropped_{reason}": count for reason, count in sorted(dropped.items())},
    }


def _passages_schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("chunk_id", "cluster", "text_hash", "text")])
