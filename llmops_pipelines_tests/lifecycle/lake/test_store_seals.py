"""What a store wrote is sealed at once: whatever changes later is found, and named by its file."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle.lake import Lake, Store
from llmops_pipelines.lifecycle.lake.seals import sealed
from llmops_pipelines.lifecycle.lake.store_seals import DamagedStore, seal_new


@pytest.fixture
def store(tmp_path) -> Store:
    found = Lake(tmp_path, "product").store("texts", "v1", "content_hash")
    for key in "abc":
        found.append(pa.table({"content_hash": [key], "text": [f"text of {key}"]}))
    return found


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def parquet(store: Store) -> Path:
    return sorted(store.path.glob("*.parquet"))[0]


def log(store: Store, version: int) -> Path:
    return store.path / "_delta_log" / f"{version:020d}.json"


def seal(store: Store, version: int) -> Path:
    return store.path / "_seals" / f"{version:020d}.json"


def test_an_untouched_store_verifies(store):
    examined = store.verify()
    assert (examined.sealed, examined.files, examined.unsealed, examined.anew) == (3, 6, (), "")


@pytest.mark.parametrize("place", [parquet, lambda s: log(s, 0), lambda s: log(s, 2), lambda s: seal(s, 1)])
def test_a_flipped_bit_is_found_and_its_file_named(store, place):
    flip(place(store))
    with pytest.raises(DamagedStore, match=place(store).name):
        store.verify()


@pytest.mark.parametrize("place", [parquet, lambda s: log(s, 2)])
def test_a_missing_file_is_found(store, place):
    gone = place(store)
    gone.unlink()
    with pytest.raises(DamagedStore, match=f"{gone.name}: missing"):
        store.verify()


def test_a_seal_that_was_made_to_fit_breaks_the_chain(store):
    flip(log(store, 0))
    from llmops_pipelines.lifecycle.lake.digests import file_digest

    said = json.loads(seal(store, 0).read_text())
    seal(store, 0).write_text(json.dumps(sealed(said | {"log": file_digest(log(store, 0))})))
    with pytest.raises(DamagedStore, match=f"{seal(store, 1).name}: the seal before it has"):
        store.verify()


def test_a_removed_seal_breaks_the_chain(store):
    seal(store, 1).unlink()
    with pytest.raises(DamagedStore, match=seal(store, 2).name):
        store.verify()


def test_rows_taken_away_by_somebody_else_are_found_and_never_sealed(store):
    from deltalake import DeltaTable

    DeltaTable(str(store.path)).delete("content_hash = 'b'")
    with pytest.raises(DamagedStore, match=f"{log(store, 3).name}: it takes rows away and has no seal"):
        store.verify()
    store.append(pa.table({"content_hash": ["d"], "text": ["text of d"]}))
    with pytest.raises(DamagedStore, match=log(store, 3).name):
        store.verify()


def test_a_store_of_the_time_before_seals_says_so_until_the_next_append(store):
    shutil.rmtree(store.path / "_seals")
    assert store.verify().unsealed == tuple(log(store, version).name for version in range(3))
    store.append(pa.table({"content_hash": ["d"], "text": ["text of d"]}))
    assert store.verify().sealed == 4 and store.verify().unsealed == ()


def test_what_a_killed_process_left_unsealed_is_told(store):
    seal(store, 2).unlink()
    assert store.verify().unsealed == (log(store, 2).name,)
    assert seal_new(store.path) == 1 and seal_new(store.path) == 0
    assert store.verify().unsealed == ()


def test_a_table_that_was_rewritten_on_purpose_is_sealed_anew_and_keeps_the_reason(store):
    from deltalake import DeltaTable

    table = DeltaTable(str(store.path))
    table.delete("content_hash = 'b'")
    table.vacuum(0, enforce_retention_duration=False, dry_run=False)
    store.rewritten("receipt 3")
    assert store.verify().anew == "receipt 3" and len(list(store.path.glob("*.parquet"))) == 2
    store.append(pa.table({"content_hash": ["d"], "text": ["text of d"]}))
    assert store.verify().unsealed == ()
    flip(parquet(store))
    with pytest.raises(DamagedStore, match=parquet(store).name):
        store.verify()


def test_a_table_of_which_little_but_a_summary_is_left_is_sealed_by_that(store):
    from deltalake import DeltaTable

    DeltaTable(str(store.path)).create_checkpoint()
    for version in range(2):
        log(store, version).unlink()
    store.rewritten("receipt 3")
    examined = store.verify()
    assert (examined.sealed, examined.files, examined.unsealed, examined.anew) == (2, 5, (), "receipt 3")
    store.append(pa.table({"content_hash": ["d"], "text": ["text of d"]}))
    assert store.verify().files == 7
    flip(parquet(store))
    with pytest.raises(DamagedStore, match=parquet(store).name):
        store.verify()


@pytest.mark.slow
def test_a_log_that_was_summarised_and_shortened_is_sound_and_its_summary_sealed(tmp_path):
    """Delta writes a summary every hundred entries, and may remove the entries that it replaces."""
    store = Lake(tmp_path, "product").store("texts", "v1", "content_hash")
    for key in range(102):
        store.append(pa.table({"content_hash": [str(key)], "text": ["text"]}))
    (summary,) = (store.path / "_delta_log").glob("*.checkpoint.parquet")
    assert store.verify().unsealed == ()
    for version in range(50):
        log(store, version).unlink()
    store.verify()
    assert store.take(["3"]).num_rows == 1
    flip(summary)
    with pytest.raises(DamagedStore, match=summary.name):
        store.verify()
