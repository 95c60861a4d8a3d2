"""The stores that a release's versions were made with: every file against its seal, and every text against its name."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.corpus.similarity import duplicates
from llmops_pipelines.lifecycle.evaluation.candidates import EvaluationError, Parts, Spec
from llmops_pipelines.lifecycle.evaluation.models import identity_of
from llmops_pipelines.lifecycle.index.passages import CODE as CUT
from llmops_pipelines.lifecycle.lake import Lake, Version, digest
from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.lake.store_seals import LOG, Examined, examine
from llmops_pipelines.lifecycle.release.history import Release

from .ancestry import Ancestry, Node
from .checks import Check

TEXTS_AT_ONCE = 1024


def stores(lake: Lake, release: Release, ancestry: Ancestry) -> Iterator[Check]:
    """A check per store, and one for the texts of the release's documents. A store that is shared with other pipelines is
    looked at as a whole."""
    paths = sorted({path for path in _used(lake, release, ancestry) if path.is_dir()})
    found = {path: examine(path) for path in paths}
    yield from (check for path in paths for check in checks_of(lake, path, found[path]))
    damaged = {path for path in paths if found[path].damage}
    yield from _texts(lake, [node for node in ancestry.nodes.values() if node.asset == "documents"], damaged)


def every_store(lake: Lake) -> Iterator[Check]:
    """All stores below a lake, of all pipelines."""
    for log in sorted(lake.root.glob(f"stores/*/*/{LOG}")):
        yield from checks_of(lake, log.parent, examine(log.parent))


def checks_of(lake: Lake, path: Path, examined: Examined) -> Iterator[Check]:
    what = f"store {path.parent.name} {path.name[:12]}"
    fix = f"restore it from a backup; or remove the folder {path}: what is in it is made again by llmops run {lake.pipeline}"
    for each in examined.damage:
        yield Check(what, str(each.path), "differs", each.expected, each.found, fix)
    if examined.unsealed:
        found = f"{len(examined.unsealed)} log entries without a seal: an earlier version wrote them, or a killed process"
        yield Check(what, str(path), "not vouched", "a seal for every entry of its log", found)
    elif not examined.damage:
        anew = f", sealed anew: {examined.anew}" if examined.anew else ""
        yield Check(what, str(path), "match", f"{examined.sealed} seals", f"{examined.files} files as sealed{anew}")


def _used(lake: Lake, release: Release, ancestry: Ancestry) -> Iterator[Path]:
    for node in ancestry.nodes.values():
        for name, identity in _named(node, node.version(lake)):
            yield lake.store(name, identity, "").path
    if identity := _answering(lake, release, ancestry):
        yield from (lake.store(name, identity, "").path for name in ("answers", "latency"))


def _named(node: Node, version: Version) -> Iterator[tuple[str, str]]:
    """(name, identity) of the stores that a version reads or filled. A file that cannot be read is told elsewhere."""
    noun, config = version.noun, version.config or {}
    if noun == "documents":
        yield from (("texts", "v1"), ("similar", digest(duplicates.CODE)))
        if "profile" in config:
            yield "profiles", digest(config["profile"])
    elif noun == "parsed_documents":
        yield "parsed", "v2"
        if "cleaner" in config:
            yield "cleaned", digest(config["cleaner"])
    elif noun == "chunks" and (chunker := _json(version, "chunker").get("fingerprint")):
        yield from (("chunks", chunker), ("chunk_rows", digest([CUT, chunker])))
    elif noun == "embeddings" and (embedder := _json(version, "embedder").get("fingerprint")):
        yield "vectors", embedder
    elif noun == "eval_scores" and {"identity", "epoch"} <= (judge := _json(version, "judge")).keys():
        yield "judgements", digest({"judge": judge["identity"], "epoch": judge["epoch"]})


def _answering(lake: Lake, release: Release, ancestry: Ancestry) -> str:
    """Under which the answers of the release's model are kept; "" where it has none, or a part of it is gone."""
    roles = {"index": "index", "retrieval_settings": "retrieval_settings", "base": "base_model"}
    roles |= {"checkpoint": "checkpoint", "compressed": "compressed"}
    found = {name: ancestry.roles[role].version(lake) for name, role in roles.items() if role in ancestry.roles}
    if not release.candidate:
        return ""
    try:
        spec = Spec.read(release.candidate["spec"])
        return "" if spec.model == "none" else identity_of(spec, Parts(**found))
    except (EvaluationError, OSError, ValueError, KeyError, TypeError):  # named where that part is checked
        return ""


def _texts(lake: Lake, documents: Iterable[Node], damaged: set[Path]) -> Iterator[Check]:
    """Every document's text has to hash to the name that the documents table gives it."""
    store = lake.store("texts", "v1", "content_hash").path
    if store in damaged:
        return
    for node in documents:
        what, checked = f"texts of {node.name}", 0
        fix = f"restore {store} from a backup, or remove it: its documents are parsed again by llmops run {lake.pipeline}"
        bad: list[Check] = []
        try:
            for batch in node.version(lake).batches(columns=["content_hash"], rows=TEXTS_AT_ONCE):
                wanted = batch.column(0).to_pylist()
                for sha, text in zip(wanted, corpus.texts(lake, wanted), strict=True):
                    checked += 1
                    if text_digest(text) != sha:
                        bad.append(
                            Check(what, str(store), "differs", f"content {sha[:12]}", f"text {text_digest(text)[:12]}", fix)
                        )
        except _unreadable() as error:
            said = str(error).strip("'\"").splitlines()[0][:200]
            yield Check(what, str(store), "differs", "a text for every document", said, fix)
            continue
        yield from bad or [Check(what, str(store), "match", "sha256 = content hash", f"{checked} texts")]


def _unreadable() -> tuple[type[Exception], ...]:
    from deltalake.exceptions import DeltaError

    return (LookupError, OSError, ValueError, DeltaError)


def _json(version: Version, name: str) -> dict[str, Any]:
    try:
        said = version.json(name)
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
