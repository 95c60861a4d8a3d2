"""The files that MLflow keeps of a release: the trained weights, which others may load from there, and the papers."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from llmops_pipelines.lifecycle.release.history import ANSWERING, History, Release
from llmops_pipelines.lifecycle.release.registry import Registry, RegistryUnavailable

from .ancestry import Ancestry, Node
from .checks import Check, short
from .contents import digests

WHAT = "files in MLflow"


def copies(history: History, release: Release, ancestry: Ancestry, registry: Callable[[], Registry]) -> Iterator[Check]:
    """Every file of the release's model version against the version that it is a copy of, and its tags against the record.

    Files in a remote store are not fetched. What MLflow does not answer was told where the alias was looked at.
    """
    from mlflow.exceptions import MlflowException

    try:
        opened = registry()
        known = opened.find(release.bundle)
        if known is None:
            return
        version = opened.client.get_model_version(opened.name, known.version)
        model = opened.client.get_logged_model(version.source.rpartition("/")[2])
    except (RegistryUnavailable, MlflowException, OSError):
        return
    place = f"MLflow {opened.name} version {known.version}"
    yield from _tags(release, version.tags, place)
    folder = _local(model.artifact_location)
    if folder is None:
        found = "a remote store, which is not fetched"
        yield Check(WHAT, model.artifact_location, "not vouched", "files on this machine", found)
        return
    trained = next((ancestry.roles[role] for role in ("compressed", "checkpoint") if role in ancestry.roles), None)
    if trained is None or trained.as_said:  # else the copy may be the only good one
        yield from _files(folder, _expected(history, release, trained))


def _tags(release: Release, tags: Mapping[str, Any], place: str) -> Iterator[Check]:
    for role in ANSWERING:
        if role in release.parts and tags.get(role) != release.parts[role]["digest"]:
            expected = f"{role} {short(release.parts[role]['digest'])}"
            fix = "set the tag back; what is live is decided by the history alone"
            yield Check("tags in MLflow", place, "differs", expected, short(tags.get(role, "")), fix)


def _local(location: str) -> Path | None:
    parts = urlsplit(location)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def _expected(history: History, release: Release, trained: Node | None) -> dict[str, set[str]]:
    """File name -> the sha256 that it may have. Papers are those of whichever release registered the bundle."""
    known: dict[str, set[str]] = {}
    for name, sha in ((trained.manifest if trained else None) or {}).get("files", {}).items():
        if name.split("/")[0] in ("adapter", "model"):
            known.setdefault(name.partition("/")[2], set()).add(sha)
    papers = [path for epoch in history.epochs() for path in (history.folder / f"{epoch:06d}").glob("*")]
    for path, sha in digests(papers).items():
        if _of_bundle(history, int(path.parent.name), release.bundle):
            known.setdefault(path.name, set()).add(sha)
    return known


def _of_bundle(history: History, epoch: int, bundle: str) -> bool:
    try:
        return history.record(epoch).bundle == bundle
    except (ValueError, TypeError, KeyError):  # a record that was edited: found before
        return False


def _files(folder: Path, known: dict[str, set[str]]) -> Iterator[Check]:
    there = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    bad = []
    for path, sha in digests(there).items():
        name = path.relative_to(folder).as_posix()
        if sha not in known.get(name, ()):
            expected = f"sha256 {' or '.join(sorted(map(short, known[name])))}" if name in known else "no such file"
            fix = "copy the file there from the version or the papers that it is a copy of"
            bad.append(Check(WHAT, str(path), "differs", expected, f"sha256 is {short(sha)}", fix))
    yield from bad or [Check(WHAT, str(folder), "match", "what they are copies of", f"{len(there)} files")]
