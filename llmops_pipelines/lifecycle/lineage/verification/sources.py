"""What lies beside the versions: the bytes of source files, the base model's files, and the embedding model's."""

from collections.abc import Callable, Iterator
from pathlib import Path

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.corpus.discovery import blob_path
from llmops_pipelines.lifecycle.index import IndexingError
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles
from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.history import Release

from .ancestry import Ancestry
from .checks import Check, short
from .contents import digests, sha256


def blobs(lake: Lake, ancestry: Ancestry, erased: Callable[[str], bool]) -> Iterator[Check]:
    """The kept bytes of every source file; those of a forgotten document may be gone."""
    for node in (node for node in ancestry.nodes.values() if node.asset.startswith("raw_documents/") and node.manifest):
        try:
            column = node.version(lake).table(columns=["blob"]).column(0).to_pylist()
        except (OSError, ValueError):  # a damaged table, named where its version is checked
            continue
        names = sorted({blob for blob in column if blob})
        hashes = digests([blob_path(lake, blob) for blob in names], sha256)
        what, fix = f"bytes of {node.name}", f"remove it and run llmops run {lake.pipeline}: its source is read again"
        bad = []
        for blob in names:
            path = blob_path(lake, blob)
            if hashes[path] != blob and not (not hashes[path] and erased(blob)):
                found = f"sha256 is {short(hashes[path])}" if hashes[path] else "missing"
                bad.append(Check(what, str(path), "differs", f"sha256 {short(blob)}", found, fix))
        yield from bad or [Check(what, str(lake.root / "blobs"), "match", "sha256 = name", f"{len(names)} files")]


def base_models(lake: Lake, ancestry: Ancestry) -> Iterator[Check]:
    """The files of each base model, wherever they lie."""
    for node in (node for node in ancestry.nodes.values() if node.asset == "base_model" and node.manifest):
        version = node.version(lake)
        try:
            said = version.json("base_model")
            folder, known = Path(said["folder"]), version.json("files") if version.has("files.json") else said["files"]
            yield from _files(f"files of {node.name}", folder, known, "restore the file: a release answers with no other")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # named where its version is checked
            continue


def embedder(lake: Lake, release: Release, ancestry: Ancestry) -> Iterator[Check]:
    """The embedding model's weights, and that it is the one whose vectors the index holds."""
    words = release.settings.get("embeddings")
    if not words or "index" not in ancestry.roles:
        return
    settings = Embeddings.model_construct(**words)
    if settings.endpoint:
        yield Check("embedder", str(settings.model), "not vouched", "the recorded model", "it answers behind an endpoint")
        return
    fix = "restore the model, or embed anew with the one you mean (embeddings.sha256)"
    try:
        files = ModelFiles.find(settings)
        weights, made = files.path("model.safetensors"), files.fingerprint
    except (IndexingError, OSError, ValueError, KeyError) as error:
        yield Check("embedder", str(settings.model), "differs", "its files", str(error), fix)
        return
    yield from _files("weights of the embedder", weights.parent, {weights.name: settings.sha256}, fix)
    try:
        index = ancestry.roles["index"].version(lake).json("index")
        used = index["embedder"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    same = used == made
    found = f"fingerprint {short(made)}"
    yield Check(
        "embedder",
        str(files.folder),
        "match" if same else "differs",
        f"{short(used)}, says the index",
        found,
        "" if same else fix,
    )


def _files(what: str, folder: Path, known: dict[str, str], fix: str) -> Iterator[Check]:
    hashes = digests([folder / name for name in known])
    bad = [
        Check(
            what,
            str(path),
            "differs",
            f"sha256 {short(sha)}",
            f"sha256 is {short(hashes[path])}" if hashes[path] else "missing",
            fix,
        )
        for path, sha in ((folder / name, sha) for name, sha in known.items())
        if hashes[path] != sha
    ]
    yield from bad or [Check(what, str(folder), "match", f"{len(known)} known sha256", f"{len(known)} files")]
