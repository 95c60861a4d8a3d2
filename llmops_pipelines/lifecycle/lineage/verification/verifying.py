"""Whether a release is still what was decided about: every record of its graph, from the release downwards."""

from collections.abc import Callable, Iterator
from pathlib import Path

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.history import History, Release, UnknownRelease
from llmops_pipelines.lifecycle.release.registry import Registry

from .aliases import aliases
from .ancestry import Ancestry, everything
from .checks import Check, Verification
from .contents import versions
from .copies import copies
from .erasures import Erasures, receipts_checked
from .records import made_papers, records, state
from .sources import base_models, blobs, embedder
from .used_stores import every_store, stores


def verify(lake: Lake, history: History, epoch: int, registry: Callable[[], Registry] | None = None) -> Verification:
    """Recompute every digest along the graph of a release. Nothing is changed, and nothing is trusted for its size or time.

    Without `registry` MLflow is not asked. Raises `UnknownRelease` when there is no such record.
    """
    if epoch not in history.epochs():
        history.record(epoch)  # says which there are
    checks = list(records(history, epoch))
    release = _release(history, epoch)
    if release is not None:
        checks += state(release, history.folder)
        checks += made_papers(release, history.folder)
        checks += aliases(history, release, registry) if registry else []
        ancestry = Ancestry.of(lake, release)
        checks += _graph(lake, release, ancestry)
        checks += copies(history, release, ancestry, registry) if registry else []
    return Verification.of(lake.pipeline, epoch, checks)


def verify_all(lake: Lake, history: History) -> Verification:
    """Hash every record and every file of every version of a pipeline, and of every store of the lake.

    A version that is damaged is distrusted: the next run that needs it looks at its bytes, and makes it again.
    """
    nodes = everything(lake)
    found = [*records(history, 0), *versions(lake, nodes, Erasures.of(lake)), *every_store(lake), *receipts_checked(lake)]
    bad = [Path(check.place) for check in found if check.outcome == "differs"]
    for node in nodes:
        if any(path.is_relative_to(node.path) for path in bad):
            lake.distrust(node.version(lake))
    return Verification.of(lake.pipeline, None, found)


def _graph(lake: Lake, release: Release, ancestry: Ancestry) -> Iterator[Check]:
    erasures = Erasures.of(lake)
    yield from receipts_checked(lake)
    yield from versions(lake, ancestry.nodes.values(), erasures)
    yield from ancestry.lost
    yield from base_models(lake, ancestry)
    yield from embedder(lake, release, ancestry)
    yield from stores(lake, release, ancestry)
    yield from blobs(lake, ancestry, erasures.took)


def _release(history: History, epoch: int) -> Release | None:
    """None when the record cannot be read as a release: that was told already."""
    try:
        return history.record(epoch)
    except (UnknownRelease, ValueError, TypeError, KeyError):
        return None
