"""What MLflow says of a release: the alias of its stage, and the tags that repeat the record's seal."""

from collections.abc import Callable, Iterator

from llmops_pipelines.lifecycle.release.history import History, Release
from llmops_pipelines.lifecycle.release.registry import Registry, RegistryUnavailable, alias_of

from .checks import Check, short
from .records import BACKUP


def aliases(history: History, release: Release, registry: Callable[[], Registry]) -> Iterator[Check]:
    """The alias of the release's stage against the history, and the release's model version against its record."""
    name = release.pipeline
    place, fix = f"MLflow {name}@{alias_of(release.stage)}", f"llmops release recover {name} --yes"
    try:
        live = history.live(release.stage)
    except (ValueError, TypeError, KeyError):  # a record that was edited: found before
        return
    try:
        opened = registry()
        held, wrong = opened.holder(release.stage), opened.differs(live, release.stage)
        known = opened.find(release.bundle)
    except RegistryUnavailable as error:
        yield Check("alias", place, "differs", "an answer", str(error), "bring MLflow back, and verify again")
        return
    expected = f"release {live.epoch}" if live else "nothing"
    found = wrong or (f"version {held.version}" if held else "nothing")
    yield Check("alias", place, "differs" if wrong else "match", expected, found, fix if wrong else "")
    if known is None and release.phase == "committed" and release.format > 1:
        yield Check("model version", f"MLflow {name}", "differs", f"one of bundle {short(release.bundle)}", "none", fix)
    elif known:
        yield from _version(release, live, known, f"MLflow {name} version {known.version}", fix)


def _version(release: Release, live: Release | None, known, place: str, fix: str) -> Iterator[Check]:
    if release.model_version and release.model_version != known.version:
        found = f"version {release.model_version}"
        yield Check("model version", place, "differs", f"version {known.version}, which has this bundle", found, fix)
    if live is None or live.bundle != release.bundle:  # its tags are of the release that last had this bundle
        return
    said = known.records.get(live.stage, "")
    if not live.seal or not said:
        yield Check("record of the alias", place, "not vouched", "the record's seal as a tag", "an earlier version set it")
    else:
        same = said == live.seal
        found = f"seal {short(live.seal)}" if same else f"seal {short(live.seal)} in {live.epoch:06d}.json"
        outcome = "match" if same else "differs"
        yield Check("record of the alias", place, outcome, f"seal {short(said)}", found, "" if same else BACKUP)
