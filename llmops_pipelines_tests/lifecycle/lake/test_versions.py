"""Nothing is done twice, nothing is half-visible: what the lake promises about versions."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle.lake import DamagedVersion, Draft, Lake, Version, fingerprint


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path, "product")


def numbers(lake: Lake, values: list[int], *, code: str = "1", config=None, parents=(), calls: list | None = None) -> Version:
    def write(draft: Draft) -> None:
        if calls is not None:
            calls.append(values)
        draft.table("numbers", pa.table({"n": values}))
        draft.json("timing", {"seconds": id(draft)}, data=False)
        draft.facts["rows"] = len(values)

    return lake.once("numbers", code=code, config=config or {"values": values}, parents=parents, write=write)


def test_the_same_fingerprint_is_written_once(lake):
    calls: list = []
    first, second = numbers(lake, [1, 2], calls=calls), numbers(lake, [1, 2], calls=calls)
    assert (first.reused, second.reused, len(calls)) == (False, True, 1)
    assert second.table().column("n").to_pylist() == [1, 2]


@pytest.mark.parametrize("change", [{"code": "2"}, {"config": {"values": [1], "more": True}}])
def test_other_code_or_config_is_other_work_but_equal_content_keeps_its_digest(lake, change):
    first, second = numbers(lake, [1]), numbers(lake, [1], **change)
    assert first.fingerprint != second.fingerprint
    assert first.digest == second.digest, "side files must not change the data version"


def test_facts_are_the_same_plain_values_at_once_and_later(lake):
    import numpy as np

    def write(draft: Draft) -> None:
        draft.facts["share"] = np.float64(0.5)

    shares = [lake.once("x", code="1", config={}, parents=[], write=write).facts["share"] for _ in range(2)]
    assert [type(share) for share in shares] == [float, float]


def test_other_parents_are_other_work(lake):
    def child(parent: Version) -> Version:
        return lake.once("child", code="1", config={}, parents=[parent], write=lambda draft: draft.json("x", 1))

    one, two = child(numbers(lake, [1])), child(numbers(lake, [2]))
    assert one.fingerprint != two.fingerprint
    assert one.parents == {"numbers": numbers(lake, [1]).digest}


def test_a_step_that_fails_leaves_nothing_visible(lake):
    def write(draft: Draft) -> None:
        draft.json("half", 1)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        lake.once("numbers", code="1", config={}, parents=[], write=write)
    assert lake.versions("numbers") == []
    assert list(lake.root.rglob("*half*")) == []


def test_a_changed_byte_is_found_and_only_that_version_is_built_again(lake):
    calls: list = []
    good, other = numbers(lake, [1], calls=calls), numbers(lake, [2], calls=calls)
    lake.point(good)
    table = good.file("numbers.parquet")
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    fresh = Lake(lake.root, "product")  # verification is remembered per process
    with pytest.raises(DamagedVersion, match="numbers.parquet: sha256"):
        fresh.current("numbers")
    assert numbers(fresh, [1], calls=calls).reused is False
    assert numbers(fresh, [2], calls=calls).digest == other.digest
    assert calls == [[1], [2], [1]]
    assert fresh.current("numbers").digest == good.digest


def test_a_missing_file_is_found(lake):
    numbers(lake, [1]).file("timing.json").unlink()
    assert numbers(Lake(lake.root, "product"), [1]).reused is False


def test_a_folder_that_lost_its_manifest_is_built_again(lake):
    numbers(lake, [1]).file("manifest.json").unlink()
    assert numbers(Lake(lake.root, "product"), [1]).reused is False


def test_a_reader_never_moves_what_it_finds_damaged(lake):
    version = numbers(lake, [1])
    version.file("timing.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(DamagedVersion, match="timing.json"):
            Lake(lake.root, "product").read("numbers", version.fingerprint)


def test_two_writers_at_once_publish_one_version(lake):
    barrier = Barrier(2)

    def write(draft: Draft) -> None:
        barrier.wait()
        draft.json("x", 1)

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(lake.once, "x", code="1", config={}, parents=[], write=write) for _ in range(2)]
        versions = [job.result() for job in jobs]
    assert sorted(version.reused for version in versions) == [False, True]
    assert len(lake.versions("x")) == 1
    assert not list((lake.root / "product" / "x" / "staging").iterdir())


def test_time_host_path_and_run_are_recorded_but_identify_nothing(lake, tmp_path):
    here, there = numbers(replace(lake, run="run-1"), [1]), numbers(Lake(tmp_path / "elsewhere", "product", "run-2"), [1])
    assert (here.fingerprint, here.digest) == (there.fingerprint, there.digest)
    assert str(lake.root) not in json.dumps(here.manifest)
    assert (here.made["run"], there.made["run"]) == ("run-1", "run-2")
    assert here.made.keys() == {"at", "run", "seconds", "cpu_seconds"}


def test_a_version_says_what_it_was_made_from_and_with(lake):
    def write(draft: Draft) -> None:
        draft.spent(tokens=3)
        draft.spent(tokens=4, gpu_seconds=0.5)
        draft.json("sum", 6)

    parent = numbers(lake, [1, 2, 3])
    child = lake.once("sum", code="7", config={"of": Path("n")}, parents=[parent], write=write)
    assert (child.config, child.parents, child.manifest["seals"]) == (
        {"of": "n"}, {"numbers": parent.digest}, {"numbers": parent.seal},
    )  # fmt: skip
    assert child.fingerprint == fingerprint("7", child.config, child.parents)
    assert (child.made["tokens"], child.made["gpu_seconds"]) == (7, 0.5)


def test_an_edited_manifest_is_found_by_its_seal_and_the_version_made_again(lake):
    version = numbers(lake, [1, 2])
    manifest = version.file("manifest.json")
    manifest.write_text(manifest.read_text().replace('"rows": 2', '"rows": 3'))
    with pytest.raises(DamagedVersion, match="manifest.json: its seal does not match"):
        Lake(lake.root, "product").read("numbers", version.fingerprint)
    calls: list = []
    assert numbers(Lake(lake.root, "product"), [1, 2], calls=calls).facts["rows"] == 2
    assert calls, "what somebody edited is made again"


def test_a_lake_aside_shares_the_stores_and_nothing_else(lake):
    numbers(lake, [1])
    lake.store("texts", "v1", "key").append(pa.table({"key": ["a"]}))
    trial = lake.aside("blame")
    assert trial.store("texts", "v1", "key").missing(["a", "b"]) == ["b"]
    assert list(trial.all_versions()) == []


def test_preview_schema_and_rows_come_without_reading_the_table(lake):
    version = numbers(lake, list(range(100)))
    seen = version.outline(rows=2)
    assert (seen.rows, seen.columns, seen.head) == (100, {"n": "int64"}, [{"n": 0}, {"n": 1}])
    assert version.outline("other") is None


def test_a_table_written_in_batches_is_the_same_whatever_the_batches(lake):
    schema = pa.schema([("n", pa.int64())])

    def write(sizes: list[int]) -> Version:
        def fill(draft: Draft) -> None:
            with draft.writer("numbers", schema) as rows:
                start = 0
                for size in sizes:
                    rows(pa.table({"n": range(start, start + size)}, schema=schema))
                    start += size

        return lake.once("numbers", code="1", config=sizes, parents=[], write=fill)

    many, few, none = write([50_000] * 3), write([1, 149_999]), write([])
    assert many.digest == few.digest and many.rows() == 150_000 and none.rows() == 0
    assert [batch.num_rows for batch in many.batches(rows=100_000)] == [65_536, 65_536, 18_928] or sum(
        batch.num_rows for batch in many.batches(rows=100_000)
    ) == 150_000


def test_a_version_is_hashed_once_and_again_only_when_its_files_look_touched(lake, monkeypatch):
    version = numbers(lake, [1, 2, 3])
    hashed = []
    monkeypatch.setattr(Version, "verify", lambda self: hashed.append(self.asset))
    Lake(lake.root, "product").read("numbers", version.fingerprint)
    assert hashed == []
    (version.path / "timing.json").touch()  # engines touch their files when they are opened
    Lake(lake.root, "product").read("numbers", version.fingerprint)
    assert hashed == []
    (version.path / "numbers.parquet").touch()
    Lake(lake.root, "product").read("numbers", version.fingerprint)
    assert hashed == ["numbers"]


def test_one_damaged_version_does_not_hide_the_others(lake):
    damaged, sound = numbers(lake, [1]), numbers(lake, [2])
    (damaged.path / "numbers.parquet").write_bytes(b"x")
    assert [version.digest for version in Lake(lake.root, "product").versions("numbers")] == [sound.digest]
    (damaged.path / "manifest.json").write_text("{")
    assert [version.digest for version in Lake(lake.root, "product").all_versions()] == [sound.digest]


def test_a_parent_is_found_beside_damaged_versions(lake):
    parent, other = numbers(lake, [1]), numbers(lake, [2])
    child = lake.once("child", code="1", config={}, parents=[parent], write=lambda draft: draft.json("x", 1))
    (other.path / "numbers.parquet").write_bytes(b"x")
    assert Lake(lake.root, "product").parent(child, "numbers").path == parent.path
    (parent.path / "numbers.parquet").write_bytes(b"x")
    with pytest.raises(DamagedVersion):
        Lake(lake.root, "product").parent(child, "numbers")


def test_an_asset_whose_newest_attempt_failed_has_no_current_version(lake):
    version = numbers(lake, [1])
    lake.point(version)
    lake.unpoint("numbers")
    assert lake.current("numbers") is None
    assert lake.find("numbers", version.fingerprint) is not None, "the version itself stays"
