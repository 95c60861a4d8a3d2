"""A version against its manifest, and the manifest against what was recorded of it elsewhere."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.lake import Lake, digest, fingerprint
from llmops_pipelines.lifecycle.lake.digests import file_digest
from llmops_pipelines.lifecycle.lake.drafts import MANIFEST
from llmops_pipelines.lifecycle.lake.seals import SEAL, is_intact, seal_of

from .ancestry import Node, Said
from .checks import Check, short
from .erasures import Erasures, data_before_erasures, redactions

THREADS = 8  # hashing waits for the disk first and for cores then


def versions(lake: Lake, nodes: Iterable[Node], erasures: Erasures) -> Iterator[Check]:
    """A check per version that is sound, and one for each thing that is wrong with another."""
    known = list(nodes)
    paths = [node.path / name for node in known for name in (node.manifest or {}).get("files", ())]
    hashes = digests(paths)
    for node in known:
        checks = list(_problems(lake, node, hashes, erasures))
        yield from checks or [_sound(node)]


def digests(paths: Iterable[Path], of: Callable[[Path], str] = file_digest) -> dict[Path, str]:
    """sha256 of each file, "" for one that is missing or cannot be read."""
    wanted = list(paths)

    def found(path: Path) -> str:
        try:
            return of(path)
        except OSError:
            return ""

    with ThreadPoolExecutor(THREADS) as threads:
        return dict(zip(wanted, threads.map(found, wanted), strict=True))


def sha256(path: Path) -> str:
    """The plain sha256 of a file's bytes, by which blobs are named."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sound(node: Node) -> Check:
    manifest = node.manifest or {}
    found = f"{len(manifest['files'])} files, seal {short(manifest.get(SEAL, ''))}"
    if SEAL not in manifest:
        return Check(node.name, str(node.path), "not vouched", "a seal", f"{len(manifest['files'])} files as the manifest says")
    expected = f"what {node.said[0].by} says" if node.said else "its manifest"
    erased = " but for what was erased" if manifest.get("redacted") else ""
    return Check(node.name, str(node.path), "match", expected, found + erased)


def _problems(lake: Lake, node: Node, hashes: Mapping[Path, str], erasures: Erasures) -> Iterator[Check]:
    again = f"have it made again with: llmops run {lake.pipeline}; a release that pins it needs a backup"

    def wrong(path: Path, expected: str, found: str, fix: str = again) -> Check:
        return Check(node.name, str(path), "differs", expected, found, fix)

    manifest, place = node.manifest, node.path / MANIFEST
    if manifest is None:
        yield wrong(place, "a manifest", "cannot be read" if place.is_file() else "missing")
        return
    if not is_intact(manifest):
        yield wrong(place, f"seal {short(str(manifest[SEAL]))}", "the seal does not match: the manifest was edited")
    yield from (wrong(place, *pair) for pair in _identity(node, manifest))
    for receipt in (each["receipt"] for each in redactions(manifest)):
        if not erasures.name(receipt, manifest["fingerprint"]):
            yield wrong(place, f"a receipt {receipt} that names it", "erased from without a receipt")
    said = [check for each in node.said for check in _as_said(lake, node, manifest, each, wrong)]
    yield from said[:1]  # the others repeat it
    for name, sha in manifest["files"].items():
        found = hashes[node.path / name]
        if found != sha:
            yield wrong(node.path / name, f"sha256 {short(sha)}", f"sha256 is {short(found)}" if found else "missing")
    for path in _strangers(node, manifest):
        yield wrong(path, "no such file", "a file that the manifest does not know", f"remove {path}")


def _identity(node: Node, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(expected, found) where the manifest does not fit itself or its folder."""
    if manifest["asset"] != node.asset:
        yield f"asset {node.asset}", f"the manifest is of {manifest['asset']}"
    if manifest["fingerprint"][:32] != node.path.name:
        yield f"fingerprint {node.path.name[:12]}", f"the manifest says {short(manifest['fingerprint'])}"
    if "config" in manifest and not any("config" in each for each in redactions(manifest)):
        made = fingerprint(manifest["code"], manifest["config"], manifest["parents"])
        if made != manifest["fingerprint"]:
            yield f"fingerprint {short(manifest['fingerprint'])}", f"code, settings and parents give {short(made)}"
    content = digest(data_before_erasures(manifest))
    if content != manifest["digest"]:
        yield f"digest {short(manifest['digest'])}", f"the files that it lists give {short(content)}"


def _as_said(lake: Lake, node: Node, manifest: Mapping[str, Any], said: Said, wrong: Callable[..., Check]) -> Iterator[Check]:
    """What the record and the versions made from it say of this one."""
    place = node.path / MANIFEST
    if manifest["digest"] != said.digest:
        found = f"digest is {short(manifest['digest'])}: other content under this name"
        yield wrong(place, f"digest {short(said.digest)}, says {said.by}", found)
    elif said.seal and said.seal not in (seal_of(manifest), *(each.get("seal") for each in redactions(manifest))):
        found = (
            f"seal {short(seal_of(manifest))}: the same content (digest {short(said.digest)}), in files that were made again"
        )
        fix = f"nothing, if it was damaged and made again; else restore it, or release anew with: llmops run {lake.pipeline}"
        yield Check(node.name, str(place), "made again", f"seal {short(said.seal)}, says {said.by}", found, fix)


def _strangers(node: Node, manifest: Mapping[str, Any]) -> Iterator[Path]:
    known = {node.path / name for name in (*manifest["files"], MANIFEST)}
    yield from (path for path in sorted(node.path.rglob("*")) if path not in known and (path.is_file() or path.is_symlink()))
