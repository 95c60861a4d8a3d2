"""Too little room is wrong, orphans are counted, and versions that were set aside are named."""

from collections import namedtuple

import pyarrow as pa

from llmops_pipelines.oncall.examinations import disk
from llmops_pipelines_tests.oncall.ward import Ward, said

Usage = namedtuple("Usage", "total used free")


def chunks(sick: Ward, number: int):
    lake = sick.home.lake("quickstart")
    table = pa.table({"n": [number] * 1_000})
    version = lake.once("chunks", code="1", config=number, parents=[], write=lambda draft: draft.table("chunks", table))
    lake.point(version)
    lake.close()
    return version


def test_an_empty_home_is_fine(sick: Ward):
    assert {each.severity for each in sick.look(disk.examine)} == {"fine"}


def test_too_little_room_for_a_run_is_wrong(sick: Ward, monkeypatch):
    chunks(sick, 1)
    for free, severity in ((400e6, "wrong"), (700e6, "look"), (5e9, "fine")):
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _, free=free: Usage(0, 0, int(free)))
        assert said(sick.look(disk.examine), "disk").severity == severity


def test_orphans_are_counted_and_worth_a_look_when_they_fill_the_disk(sick: Ward, monkeypatch):
    for number in range(sick.product.pipeline.retention.versions + 3):
        chunks(sick, number)
    found = said(sick.look(disk.examine), "orphans")
    assert found.severity == "fine" and found.sentence.startswith("3 versions, leftovers")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: Usage(0, 0, 20_000))
    assert said(sick.look(disk.examine), "orphans").severity == "look"


def test_a_damaged_version_that_was_set_aside_is_named(sick: Ward):
    version = chunks(sick, 1)
    version.path.rename(version.path.with_name(f"{version.path.name}.damaged-1234"))
    found = said(sick.look(disk.examine), "chunks")
    assert (found.severity, found.fix) == ("look", "llmops verify quickstart")
