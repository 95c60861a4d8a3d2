"""Disk: what nobody needs any more, damaged versions that were set aside, and whether the next full run finds room."""

import shutil
from collections.abc import Iterator

from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.release.cleanup import unneeded

from .case import Case
from .findings import Finding

MUCH = 0.2  # share of the free disk that orphans may take before they are worth a look
LEAST = 500e6  # bytes: logs, databases and a model's files are written outside the lake


def examine(case: Case) -> Iterator[Finding]:
    """Findings about what lies on the disk."""
    root = next(path for path in (case.home.folder, *case.home.folder.parents) if path.exists())
    free = shutil.disk_usage(root).free
    yield _room(case, free)
    yield from _damaged(case)
    yield _orphans(case, free)


def _room(case: Case, free: int) -> Finding:
    """A full run writes at most what is current once more."""
    need = LEAST + sum(_size(version) for version in case.lake.all_versions() if _is_current(case, version))
    said = f"{_bytes(free)} are free; a run that makes everything anew needs about {_bytes(need)}"
    severity = "wrong" if free < need else "look" if free < 2 * need else "fine"
    return Finding(severity, "disk", said, "" if severity == "fine" else f"llmops clean {case.name} --yes")


def _damaged(case: Case) -> Iterator[Finding]:
    folder = case.lake.root / case.name
    aside = sorted(folder.rglob("versions/*.damaged-*"))
    by_asset: dict[str, int] = {}
    for path in aside:
        asset = path.parent.parent.relative_to(folder).as_posix()
        by_asset[asset] = by_asset.get(asset, 0) + 1
    for asset, number in by_asset.items():
        sentence = f"{number} damaged version{'s were' if number > 1 else ' was'} set aside: files had changed on the disk"
        yield Finding("look", asset, sentence, f"llmops verify {case.name}")


def _orphans(case: Case, free: int) -> Finding:
    retention, training = case.product.pipeline.retention, case.home.folder / "training"
    found = unneeded(case.lake, case.history, retention, training) if case.lake.root.is_dir() else []
    size = sum(each.size for each in found)
    if not found:
        return Finding("fine", "orphans", "nothing lies on the disk that nobody needs")
    said = f"{len(found)} versions, leftovers and files of sources that nobody needs take {_bytes(size)}"
    return Finding("look" if size > MUCH * free else "fine", "orphans", said, f"llmops clean {case.name}")


def _is_current(case: Case, version: Version) -> bool:
    return case.lake.current_fingerprint(version.asset) == version.fingerprint


def _size(version: Version) -> int:
    return sum(path.stat().st_size for path in version.path.rglob("*") if path.is_file())


def _bytes(number: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} bytes"
