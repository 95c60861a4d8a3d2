"""A clean-up removes what nobody needs, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, removable, remove


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path, "product")


def made(lake: Lake, asset: str, value: int, *parents: Version) -> Version:
    def write(draft: Draft) -> None:
        draft.json("value", value)

    version = lake.once(asset, code="1", config=value, parents=parents, write=write)
    os.utime(version.path, (value, value))  # a clear order, for "newest"
    return version


def later(lake: Lake) -> Lake:
    """As another process sees it, with nothing open."""
    lake.close()
    return Lake(lake.root, lake.pipeline)


def listed(lake: Lake, keep: int, **options) -> set[Path]:
    return {each.path for each in removable(later(lake), keep, **options)}


def test_the_newest_versions_and_the_current_one_stay(lake):
    versions = [made(lake, "chunks", value) for value in (1, 2, 3, 4)]
    lake.point(versions[0])
    assert listed(lake, 2) == {versions[1].path}


def test_what_a_release_pins_stays_with_all_its_parents(lake):
    documents = [made(lake, "documents", value) for value in (1, 2, 3)]
    index = [made(lake, "index", value, parent) for value, parent in zip((1, 2, 3), documents, strict=True)]
    assert listed(lake, 1, pinned={index[0].fingerprint}) == {documents[1].path, index[1].path}


def test_an_asset_can_be_kept_whole(lake):
    made(lake, "training_examples", 1), made(lake, "training_examples", 2)
    assert listed(lake, 1, whole=["training_examples"]) == set()


def test_what_another_process_reads_stays_until_it_ends(lake):
    old = made(lake, "index", 1)
    made(lake, "index", 2)
    code = (
        "import sys, pathlib; from llmops_pipelines.lifecycle.lake import Lake\n"
        f"Lake(pathlib.Path({str(lake.root)!r}), 'product').read('index', {old.fingerprint!r})\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    reader = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert reader.stdout.readline() == b"open\n"
    assert listed(lake, 1) == set()
    reader.communicate()
    assert listed(lake, 1) == {old.path}


def test_what_came_into_use_after_the_list_was_made_is_not_removed(lake):
    old = made(lake, "index", 1)
    made(lake, "index", 2)
    found = removable(later(lake), 1)
    reader = Lake(lake.root, "product")
    reader.read("index", old.fingerprint)
    remove(found)
    assert old.path.is_dir()


def test_leftovers_of_killed_runs_go_and_running_ones_stay(lake, tmp_path):
    left = tmp_path / "product" / "index" / "staging" / "abc-1-x"
    damaged = tmp_path / "product" / "index" / "versions" / "abc.damaged-1"
    left.mkdir(parents=True), damaged.mkdir(parents=True)
    seen = []

    def write(draft: Draft) -> None:
        seen.append(listed_without_closing(lake))
        draft.json("x", 1)

    def listed_without_closing(lake: Lake) -> set[Path]:
        return {each.path for each in removable(Lake(lake.root, lake.pipeline), 5)}

    lake.once("index", code="1", config=1, parents=[], write=write)
    assert seen == [{left, damaged}], "the staging folder of this very run is locked"


def test_blobs_go_when_no_version_of_any_pipeline_names_them(lake, tmp_path):
    def raw(pipeline: str, value: int, blob: str) -> Version:
        table = pa.table({"blob": [blob]})
        owner = Lake(tmp_path, pipeline)
        version = owner.once(
            "raw_documents/a", code="1", config=value, parents=[], write=lambda draft: draft.table("raw_documents", table)
        )
        os.utime(version.path, (value, value))
        later(owner)
        return version

    raw("product", 1, "aa1"), raw("product", 2, "aa2"), raw("other", 1, "aa3")
    for name in ("aa1", "aa2", "aa3"):
        path = tmp_path / "blobs" / "aa" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    running = Lake(tmp_path, "other")
    running.keep_bytes()  # as a run does that has not published yet what it keeps
    assert not any(each.path.parent.name == "aa" for each in removable(Lake(tmp_path, "product"), 1))
    running.close()
    found = removable(Lake(tmp_path, "product"), 1)
    assert {each.path.name for each in found if each.path.parent.name == "aa"} == {"aa1"}
    assert remove(found) > 0
    assert sorted(path.name for path in (tmp_path / "blobs" / "aa").iterdir()) == ["aa2", "aa3"]


def test_a_removed_version_is_made_again_when_it_is_wanted(lake):
    old = made(lake, "index", 1)
    made(lake, "index", 2)
    remove(removable(later(lake), 1))
    assert not old.path.exists()
    again = made(Lake(lake.root, "product"), "index", 1)
    assert not again.reused and again.digest == old.digest


def test_what_was_only_tried_goes_unless_somebody_reads_it(lake):
    trial = lake.aside("blame")
    tried = made(trial, "index", 1)
    assert listed(lake, 1) == set()
    trial.close()
    found = removable(later(lake), 1)
    assert [(each.path, each.why) for each in found] == [(tried.path, "was only tried")]
