"""Distinct text hashes of chunks: sorted, complete, and exact to the last bit."""

import pyarrow as pa

from llmops_pipelines.lifecycle.index import text_hashes
from llmops_pipelines.lifecycle.index.text_hashes import TextHashes
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

HASHES = [text_digest(str(n % 700)) for n in range(1_000)]
ZEROS = ["ab" * 31 + "00", "ab" * 30 + "0000", "00" * 32]  # a type of text would lose zeros at the end


def published(lake: Lake, hashes: list[str]) -> Version:
    table = pa.table({"text_hash": pa.array(hashes, pa.string())})
    return lake.once("chunks", code="test", config=hashes, parents=[], write=lambda d: d.table("chunks", table))


def test_each_hash_is_there_once_in_order(lake: Lake, monkeypatch) -> None:
    monkeypatch.setattr(text_hashes, "AT_ONCE", 64)
    monkeypatch.setattr(text_hashes, "MERGED_AT", 200)
    found = TextHashes.of(published(lake, [*HASHES, *ZEROS]))
    assert [text_hash for portion in found.portions() for text_hash in portion] == sorted({*HASHES, *ZEROS})
    assert len(found) == 703 and all(len(portion) <= 64 for portion in found.portions())


def test_no_chunks_have_no_hashes(lake: Lake) -> None:
    assert list(TextHashes.of(published(lake, [])).portions()) == []
