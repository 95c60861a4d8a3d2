"""Versions without the forgotten documents: tables and JSON rewritten in place, under the same fingerprint and digest.

The digest stays the name of what was made; the manifest says in `redacted` which files are not what they were, and which
receipt tells why. What an index holds is `indexes.py`.
"""

import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, files, stamps
from llmops_pipelines.lifecycle.lake.digests import file_digest
from llmops_pipelines.lifecycle.lake.drafts import MANIFEST
from llmops_pipelines.lifecycle.lake.seals import sealed

from .exchange import exchange
from .redaction import Redaction

STAGING = "forgetting-"  # how the folders of this work are called
PAGES = (".html", ".md", ".txt")
NOTICE = "<!doctype html><title>Erased</title><p>This page quoted a document that was erased. The receipt says why.</p>\n"


@dataclass(frozen=True)
class Rewritten:
    """A version that lost something: sha256 of each file before and after ("" where there is none any more)."""

    pipeline: str
    asset: str
    fingerprint: str
    files: dict[str, tuple[str, str]]


def redact(lake: Lake, version: Version, redaction: Redaction, receipt: str) -> Rewritten | None:
    """Rewrite what of a version tells of the documents. None when nothing does. Engine files are left as they are."""
    changed = tables(version, redaction) | _jsons(version, redaction) | _pages(version, redaction)
    if not changed and redaction.value(version.manifest) == version.manifest:
        return None

    def write(draft: Draft) -> None:
        for name, value in changed.items():
            put(draft, name, value)

    return rewrite(lake, version, write, redaction, receipt)


def put(draft: Draft, name: str, value: Any) -> None:
    if isinstance(value, str):
        draft.file(name).write_text(value, "utf-8")
        return
    (draft.table if name.endswith(".parquet") else draft.json)(name.rsplit(".", 1)[0], value)


def rewrite(
    lake: Lake,
    version: Version,
    write: Callable[[Draft], None],
    redaction: Redaction,
    receipt: str,
    without: str | None = None,
    before: Callable[[Draft], None] = lambda _: None,
) -> Rewritten | None:
    """Exchange a version for one in which `write` made some files anew. The others are taken over, but for those below the
    folder `without`. `before` is called right before the exchange."""
    staging = lake.root / lake.pipeline / version.asset / "staging" / f"{STAGING}{uuid.uuid4().hex[:12]}"
    staging.mkdir(parents=True)
    try:
        draft = Draft(staging, version.fingerprint)
        write(draft)
        _take_over(version, staging, without)
        manifest = _manifest(version, staging, redaction, receipt)
        (staging / MANIFEST).write_bytes(files.to_json(manifest))
        before(draft)
        exchange(staging, version.path)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    stamps.note(Version(version.pipeline, version.asset, version.path, manifest))
    return Rewritten(version.pipeline, version.asset, version.fingerprint, manifest["redacted"][-1]["files"])


def tables(version: Version, redaction: Redaction) -> dict[str, Any]:
    """The tables of a version that lose something, as they will be."""
    names = [name for name in version.manifest["files"] if name.endswith(".parquet") and name != "holdings.parquet"]
    source = version.asset.partition("/")[2]
    fewer = _fewer(version, redaction)
    made = {}
    for name in names:
        table = version.table(name.removesuffix(".parquet"))
        redacted = redaction.table(table, version.noun, source, fewer)
        if redacted is not table and redacted != table:
            made[name] = redacted
    return made


def _fewer(version: Version, redaction: Redaction) -> Counter[str]:
    """How many documents go from each file of a source."""
    if version.noun != "parsed_documents":
        return Counter()
    parsed = redaction.removed(version.table("parsed_documents"), "file")
    return parsed + redaction.removed(version.table("dropped"), "uri") if version.has("dropped.parquet") else parsed


def _jsons(version: Version, redaction: Redaction) -> dict[str, Any]:
    made = {}
    for name in version.manifest["files"]:
        if name.endswith(".json") and not name.startswith("edge/"):
            said = json.loads(version.file(name).read_text("utf-8"))
            if (redacted := redaction.value(said)) != said:
                made[name] = redacted
    return made


def _pages(version: Version, redaction: Redaction) -> dict[str, str]:
    """Pages for people. One that quotes a text goes as a whole: what stood around the quotation was about it."""
    made = {}
    for name in version.manifest["files"]:
        if name.endswith(PAGES):
            page = version.file(name).read_text("utf-8")
            quotes = redaction.needles.within(page.encode())
            if (redacted := NOTICE if quotes else redaction.text(page)) != page:
                made[name] = redacted
    return made


def _take_over(version: Version, staging: Path, without: str | None) -> None:
    """Files that stay as they are, as further names of the same bytes."""
    for name in version.manifest["files"]:
        target = staging / name
        if target.exists() or (without and name.startswith(f"{without}/")):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(version.file(name), target)
        except OSError:
            shutil.copy2(version.file(name), target)


def _manifest(version: Version, staging: Path, redaction: Redaction, receipt: str) -> dict[str, Any]:
    old = version.manifest["files"]
    names = sorted(p.relative_to(staging).as_posix() for p in staging.rglob("*") if p.is_file())
    new = {name: old[name] if _same(version, staging, name) else file_digest(staging / name) for name in names}
    changed = {name: (old.get(name, ""), new.get(name, "")) for name in sorted(old.keys() | new.keys())}
    changed = {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
    plain = {name: value for name, value in version.manifest.items() if name not in ("facts", "config", "redacted")}
    kept = {name: redaction.value(version.manifest[name]) for name in ("facts", "config") if name in version.manifest}
    aside = [name for name in new if name in set(version.manifest.get("aside", ())) or name not in old]
    said = {"receipt": receipt, "files": changed, "seal": version.manifest.get("seal", "")}
    if kept.get("config") != version.manifest.get("config"):
        said["config"] = "redacted too: the fingerprint cannot be computed from it any more"
    return sealed({**plain, **kept, "files": new, "aside": aside, "redacted": [*version.manifest.get("redacted", ()), said]})


def _same(version: Version, staging: Path, name: str) -> bool:
    if name not in version.manifest["files"] or not version.file(name).exists():
        return False
    return os.path.samestat((staging / name).stat(), version.file(name).stat())
