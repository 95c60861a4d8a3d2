import time

import numpy as np
import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle.index.engines.holdings import Holdings
from llmops_pipelines.lifecycle.lineage.difference.chunks import Chunks, chunks

from .pair import TEXTS, publish, side

ARDENT = "handbook/ardent"


def test_the_same_chunks(lake):
    assert chunks(side(lake), side(lake, model="second")) == Chunks(8, 8, 0, 0, 8, 0, 0)


def test_an_edit_replaces_its_chunk_and_cuts_the_rest_of_the_document_anew(lake):
    found = chunks(side(lake), side(lake, texts={**TEXTS, ARDENT: TEXTS[ARDENT].replace("120", "210")}))
    assert found == Chunks(before=8, after=8, added=2, removed=2, same=6, recut=1, relabelled=0)


def test_larger_chunks_are_other_texts(lake):
    assert chunks(side(lake), side(lake, step=2)) == Chunks(8, 4, 4, 8, 0, 0, 0)


def test_without_the_index_the_chunks_tell(lake):
    before, after = side(lake), side(lake, texts={**TEXTS, "notices/new": "One. Two."})
    for each in (before, after):
        del each.versions["index"]
    assert chunks(before, after) == Chunks(8, 10, 2, 0, 8, 0, None)


def test_a_repeated_text_counts_as_often_as_it_stands(lake):
    before = side(lake, texts={"a": "Same. Same. Same."})
    assert chunks(before, side(lake, texts={"b": "Same. Same. Other."})) == Chunks(3, 3, 3, 3, 0, 2, 0)


@pytest.mark.slow
def test_a_million_chunks_on_both_sides_take_a_second_of_a_processor(lake):
    size, other = 1_000_000, 10_000
    random = np.random.default_rng(7)
    ids = np.frombuffer(random.bytes(16 * (size + other)), "S16")
    hashes = np.frombuffer(random.bytes(32 * (size + other)).hex().encode(), "S64")
    sides = []
    for first in (0, other):
        held, texts = np.sort(ids[first : first + size]), hashes[first : first + size]
        each = side(lake, f"from {first}")
        holdings = Holdings(held, np.zeros(size, np.uint64)).table()
        each.versions["index"] = publish(lake, "index", {"holdings": holdings}, config=f"index {first}")
        table = pa.table({"text_hash": pa.array(texts.astype(object)).cast(pa.string())})
        each.versions["chunks"] = publish(lake, "chunks", {"chunks": table}, config=f"chunks {first}")
        sides.append(each)
    started = time.process_time()
    assert chunks(*sides) == Chunks(size, size, other, other, size - other, 0, 0)
    assert time.process_time() - started < 2
