"""What forgetting would mean, before anything is done: everything that holds the documents, and what was trained on them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from llmops_pipelines.config.gate import STAGES
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.release.history import History, Release

from . import indexes, stores
from .knowledge import Known, lakes_of
from .redaction import LEARNT, Redaction
from .versions import tables

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.index import Connect


@dataclass(frozen=True)
class Holder:
    """Something that holds a part of the documents: how many of its `unit`, and a remark."""

    kind: str
    name: str
    count: int
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Trained:
    """A model that learnt from the documents, with the releases that it is part of and those of them that are live."""

    asset: str
    fingerprint: str
    rows: int
    releases: tuple[int, ...]
    live: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """`held` are documents that a legal hold protects, with the pattern that says so; erasing is refused while there is one."""

    pipeline: str
    documents: tuple[str, ...]
    copies: tuple[str, ...]
    near: tuple[str, ...]
    held: tuple[tuple[str, str], ...]
    holders: tuple[Holder, ...]
    trained: tuple[Trained, ...]
    needles: int
    retrain: str

    @property
    def live(self) -> bool:
        return any(each.live for each in self.trained)


def plan(
    lake: Lake,
    history: History,
    known: Known,
    holds: Mapping[str, Iterable[str]],
    connect: "Connect | None" = None,
) -> Plan:
    """Look at everything; change nothing. `holds` are the patterns of legal holds by pipeline."""
    lakes = lakes_of(lake.root)
    records = history.records()
    trained = tuple(_trained(lake, known, history, records))
    holders = [*_bytes(lake, known), *_stores(lake, known)]
    for each in lakes:
        holders += _versions(each, known, records if each.pipeline == lake.pipeline else [], connect)
    live = any(each.live for each in trained)
    return Plan(
        pipeline=lake.pipeline,
        documents=known.documents,
        copies=known.copies,
        near=known.near,
        held=tuple(sorted(_held(known, holds))),
        holders=tuple(holders),
        trained=trained,
        needles=len(known.needles),
        retrain=f"llmops run {lake.pipeline}" if live else "",
    )


def _held(known: Known, holds: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    for pipeline, patterns in holds.items():
        for document in known.of(pipeline):
            if pattern := next((each for each in patterns if fnmatchcase(document, each)), None):
                yield document, pattern


def _bytes(lake: Lake, known: Known) -> Iterator[Holder]:
    for names, note in (
        (known.blobs, ""),
        (known.shared_blobs, "other documents are in them too; they are read again from their source"),
    ):
        there = [name for name in names if (lake.root / "blobs" / name[:2] / name).is_file()]
        if there:
            yield Holder("bytes of sources", "blobs", len(there), "files", note)


def _stores(lake: Lake, known: Known) -> Iterator[Holder]:
    for store in stores.stores_of(lake.root):
        if rows := stores.count(store, known):
            yield Holder("store", store.relative_to(lake.root / "stores").as_posix(), rows, "rows")


def _versions(lake: Lake, known: Known, records: list[Release], connect: "Connect | None") -> Iterator[Holder]:
    redaction = Redaction(known, lake.pipeline)
    counts: dict[str, list[int]] = {}
    for version in lake.all_versions():
        if version.asset == "index":
            yield from _index(version, known, records, connect)
        elif changed := tables(version, redaction):
            rows = sum(version.rows(name.removesuffix(".parquet")) - table.num_rows for name, table in changed.items())
            counts.setdefault(version.asset, []).append(rows)
    for asset, rows in sorted(counts.items()):
        kind = "training rows" if asset.split("/")[0] in LEARNT else "versions"
        note = f"in {len(rows)} version{'s' if len(rows) > 1 else ''}" + ("" if sum(rows) else "; cells that quote it")
        yield Holder(kind, f"{lake.pipeline}/{asset}", sum(rows), "rows", note)


def _index(version: Version, known: Known, records: list[Release], connect: "Connect | None") -> Iterator[Holder]:
    if chunks := indexes.holds(version, known, connect):
        serving = [each.epoch for each in records if each.parts.get("index", {}).get("fingerprint") == version.fingerprint]
        note = f"release {', '.join(map(str, serving))} answers from it" if serving else "retained"
        yield Holder("index", f"{version.pipeline}/index {version.fingerprint[:12]}", chunks, "passages", note)


def _trained(lake: Lake, known: Known, history: History, records: list[Release]) -> Iterator[Trained]:
    """Models whose training tables had rows of the documents, and models made of those."""
    versions = list(lake.all_versions())
    redaction = Redaction(known, lake.pipeline)
    learnt: dict[tuple[str, str], int] = {}
    for version in versions:
        if version.noun in LEARNT and version.has(f"{version.noun}.parquet"):
            lost = version.rows() - redaction.table(version.table(), version.noun).num_rows
            if lost:
                learnt[version.asset, version.digest] = lost
    live = {each.epoch: stage for stage in STAGES if (each := history.live(stage))}
    waiting, seen = dict(learnt), set()
    while waiting:
        (parent, rows), *_ = waiting.items()
        del waiting[parent]
        for child in versions:
            if child.parents.get(parent[0]) == parent[1] and child.noun in MODELS and child.path not in seen:
                seen.add(child.path)
                waiting[child.asset, child.digest] = rows
                yield _model(child, rows, records, live)


MODELS = ("checkpoint", "compressed", "embedder", *(name for name in LEARNT if name == "distilled_examples"))


def _model(version: Version, rows: int, records: list[Release], live: dict[int, str]) -> Trained:
    used = [each.epoch for each in records if any(p["fingerprint"] == version.fingerprint for p in each.parts.values())]
    where = tuple(f"release {epoch} in {live[epoch]}" for epoch in used if epoch in live)
    return Trained(version.asset, version.fingerprint, rows, tuple(used), where)
