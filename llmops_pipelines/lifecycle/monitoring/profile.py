"""The profile of a corpus: counts, lengths, vocabulary and the mean of its vectors; small, and enough to compare with later."""

import re
from collections import Counter
from typing import Any

from llmops_pipelines.lifecycle import corpus, index
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version

CODE = "2"
WORD = re.compile(r"[^\W\d_]{3,}")
VOCABULARY = 2000  # most frequent words kept; the tail says little about a shift of topic


def corpus_profile(lake: Lake, documents: Version, embeddings: Version) -> Version:
    """Describe the corpus: table `corpus_profile` (doc_id, content_hash, characters, source) and json `profile`."""

    def write(draft: Draft) -> None:
        table = documents.table().select(["doc_id", "content_hash", "characters", "source"])
        profile = {
            "documents": table.num_rows,
            "characters": sum(table.column("characters").to_pylist()),
            "words": _vocabulary(lake, table.column("content_hash").to_pylist()),
            "mean_vector": _mean_vector(lake, embeddings),
            "embedder": embeddings.json("embedder")["fingerprint"],
        }
        draft.table("corpus_profile", table)
        draft.json("profile", profile)
        draft.facts.update(
            documents=profile["documents"],
            characters=profile["characters"],
            mean_characters=round(profile["characters"] / max(table.num_rows, 1)),
            distinct_words=len(profile["words"]),
            passages=embeddings.facts.get("passages", embeddings.table().num_rows),
        )

    return lake.once("corpus_profile", code=CODE, config={}, parents=[documents, embeddings], write=write)


def _vocabulary(lake: Lake, hashes: list[str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for text in corpus.texts(lake, hashes):
        counts.update(word.lower() for word in WORD.findall(text))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ranked[:VOCABULARY])


def _mean_vector(lake: Lake, embeddings: Version) -> list[Any]:
    _, vectors = index.vectors(lake, embeddings)
    return [round(float(value), 6) for value in vectors.mean(axis=0)]
