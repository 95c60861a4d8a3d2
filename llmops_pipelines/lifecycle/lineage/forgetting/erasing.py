"""Forgetting, carried out: hide, erase, restore. Erasing goes step by step, each repeatable, up to a scan and a receipt.

Order: tombstones (nothing comes back from here on), versions, indexes, probes, stores, bytes, leftovers, databases, scan.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.corpus.forgotten import ERASING, HIDDEN
from llmops_pipelines.lifecycle.lake import Lake, Refusal

from . import indexes, leftovers, receipts, stores, tombstones, versions
from .knowledge import Known, digests, know, lakes_of
from .plan import Plan
from .reading import texts
from .redaction import Redaction
from .scanning import Scan, scan
from .tombstones import Asked
from .work import Work, alone, begun, path_of

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.index import Connect

QUERY = 60  # words of the forgotten text that an index is asked for at once

Scrub = Callable[[Redaction], int]  # redacts a database that only its owner can reach; returns how many cells changed


class OnHold(Refusal):
    """A legal hold protects a document."""


class StillThere(Refusal):
    """Something of the text is left."""


@dataclass(frozen=True)
class Erased:
    """What an erasure did. `clean` is whether neither the scan nor a probe found anything."""

    receipt: str
    number: int
    rewritten: int
    rows: int
    removed: int
    scan: Scan
    probes: tuple[indexes.Probe, ...]
    clean: bool


def hide(lake: Lake, known: Known, asked: Asked) -> Path:
    """Leave documents out of answers at once and of the next index. Returns the receipt."""
    fresh = [each for each in known.documents if not tombstones.is_erased(lake, each)]
    if not fresh:
        raise Refusal(f"{lake.pipeline}: {known.documents[0]} is erased already; there is nothing to hide")
    tombstones.write(lake, fresh, known, HIDDEN, asked)
    return receipts.write(lake, {"what": "hidden", "documents": digests(fresh), **vars(asked)})


def restore(lake: Lake, documents: Sequence[str], days: int, asked: Asked) -> Path:
    """Take a hiding back. Raises `CannotRestore` after erasure, or after so many days."""
    for document in documents:
        tombstones.restore(lake, document, days)
    return receipts.write(lake, {"what": "restored", "documents": digests(documents), **vars(asked)})


def erase(
    home: Path,
    lake: Lake,
    plan: Plan | None,
    documents: Sequence[str],
    asked: Asked,
    connect: "Connect | None" = None,
    scrub: Sequence[Scrub] = (),
    said: Callable[[str], None] = lambda _: None,
) -> Erased:
    """Erase documents from everything below the home, and prove it. `plan` is None to go on with an interrupted erasure.

    Raises `OnHold` for what a legal hold protects, and `StillThere`, naming the first place, when something is left: run it
    again when what holds that place has ended.
    """
    if plan and plan.held:
        document, pattern = plan.held[0]
        raise OnHold(
            f"{lake.pipeline}: {document} is under legal hold ({pattern}); nothing was changed. Hide it with --hide, or take "
            "the pattern out of retention.legal_hold"
        )
    with alone(lake):
        work = begun(lake, documents) or _begin(lake, documents, plan, asked)
        steps = _Steps(home, lake, work, connect, scrub, said)
        return steps.all()


def _begin(lake: Lake, documents: Sequence[str], plan: Plan | None, asked: Asked) -> Work:
    trained = [asdict(each) for each in plan.trained] if plan else []
    work = Work(path_of(lake, documents), know(lake, documents), vars(asked), trained)
    work.save()
    return work


class _Steps:
    """One erasure, from wherever it was interrupted."""

    def __init__(
        self,
        home: Path,
        lake: Lake,
        work: Work,
        connect: "Connect | None",
        scrub: Sequence[Scrub],
        said: Callable[[str], None],
    ) -> None:
        self.home, self.lake, self.work, self.connect, self.scrub, self.said = home, lake, work, connect, scrub, said
        self.known = work.known
        self.mine = Redaction(work.known, lake.pipeline)

    def all(self) -> Erased:
        self._bury()
        self._versions()
        self._indexes()
        self._probe()
        self._stores()
        self._rest()
        self.said("scanning")
        found = scan(self.home, self.known.needles)
        probes = tuple(indexes.Probe(**each) for each in self.work.done.get("probes", []))
        self._complain(found, probes)
        return self._end(found, probes)

    def _bury(self) -> None:
        """Tombstones in every pipeline that loses something."""
        for each in lakes_of(self.lake.root):
            if "~" in each.pipeline:
                continue
            gone = self.known.documents if each.pipeline == self.lake.pipeline else sorted(self.known.of(each.pipeline))
            tombstones.write(each, gone, self.known, ERASING, Asked(**self.work.asked))

    def _versions(self) -> None:
        self.said("versions")
        for lake in lakes_of(self.lake.root):
            redaction = Redaction(self.known, lake.pipeline)
            for version in sorted(lake.all_versions(), key=lambda each: each.asset):
                if version.asset != "index" and (made := versions.redact(lake, version, redaction, self.work.name)):
                    self.work.note("rewritten", asdict(made))

    def _indexes(self) -> None:
        self.said("indexes")
        for lake in lakes_of(self.lake.root):
            redaction = Redaction(self.known, lake.pipeline)
            for version in list(lake.all_versions()):
                if version.asset == "index" and (
                    made := indexes.redact(lake, version, redaction, self.work.name, self.connect)
                ):
                    self.work.note("rewritten", asdict(made) | {"files": _engine_as_one(made.files)})

    def _probe(self) -> None:
        """While vectors and texts are still there to ask with."""
        self.said("probing the indexes")
        asked = {each["index"] for each in self.work.done.get("probes", [])}
        words = indexes.words_of(list(self._passages()))
        for lake in lakes_of(self.lake.root):
            for version in list(lake.all_versions()):
                name = f"{version.pipeline}/{version.asset}/{version.fingerprint[:12]}"
                if version.asset == "index" and name not in asked:
                    vectors = indexes.vectors_of(lake, version, self.known)
                    self.work.note("probes", asdict(indexes.probe(version, self.known, vectors, words, self.connect)))

    def _passages(self) -> Iterator[str]:
        """The forgotten texts, in pieces as long as a long question."""
        for content, text in texts(self.lake.root / "stores" / "texts" / "v1"):
            if content in self.known.contents:
                words = text.split()
                yield from (" ".join(words[at : at + QUERY]) for at in range(0, len(words), QUERY))

    def _stores(self) -> None:
        self.said("stores")
        for store in stores.stores_of(self.lake.root):
            if made := stores.redact(self.lake.root, store, self.known, self.work.name):
                self.work.note("stores", asdict(made))

    def _rest(self) -> None:
        self.said("bytes, leftovers and databases")

        def note(what: str, where: str) -> None:
            self.work.note("places", {"what": what, "where": where})

        leftovers.unlink_blobs(self.lake, self.mine, note)
        leftovers.sweep(self.lake, self.mine, note)
        leftovers.redact_others(self.home, self.lake, self.mine, note)
        for each in self.scrub:
            if cells := each(self.mine):
                note(f"{cells} cells redacted", "a database outside the home")

    def _complain(self, found: Scan, probes: Sequence[indexes.Probe]) -> None:
        if found.places:
            first = found.places[0]
            raise StillThere(
                f"{self.home / first.file}: {first.windows} windows of the text are left ({first.how}), in {len(found.places)} "
                "files in all; end what writes there, remove the file or redact it by hand, and say it again"
            )
        if left := next((each for each in probes if each.found), None):
            raise StillThere(f"{left.index}: {left.found} erased passages are still found; say it again")

    def _end(self, found: Scan, probes: tuple[indexes.Probe, ...]) -> Erased:
        done = self.work.done
        path = receipts.find(self.lake, self.work.name + self.work.asked["at"]) or receipts.write(
            self.lake, self._told(found, probes)
        )
        for each in lakes_of(self.lake.root):
            tombstones.finish(
                each, self.known.documents if each.pipeline == self.lake.pipeline else self.known.of(each.pipeline)
            )
        self.work.path.unlink()
        rewritten, emptied = done.get("rewritten", []), done.get("stores", [])
        rows, removed = sum(each["rows"] for each in emptied), len(done.get("places", []))
        return Erased(str(path), int(path.stem), len(rewritten), rows, removed, found, probes, True)

    def _told(self, found: Scan, probes: Sequence[indexes.Probe]) -> dict[str, Any]:
        """The receipt: digests and counts. Where a file was named like the document, its name is left out too."""
        known = self.known
        return {
            "what": "erased",
            "work": self.work.name + self.work.asked["at"],
            "redaction": self.work.name,
            "documents": digests(known.documents),
            "contents": sorted(known.contents),
            "blobs": sorted(known.blobs | known.shared_blobs),
            **self.work.asked,
            "trained": self.work.trained,
            "done": self.mine.value({name: each for name, each in self.work.done.items() if name != "probes"}),
            "probes": [asdict(each) for each in probes],
            "scan": {"needles": len(known.needles), "files": found.files, "bytes": found.bytes, "places": []},
        }


def _engine_as_one(changed: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """An engine's files have other names each time; the receipt tells of their number."""
    engine = [pair for name, pair in changed.items() if name.startswith("edge/")]
    plain = {name: pair for name, pair in changed.items() if not name.startswith("edge/")}
    counts = (f"{sum(bool(before) for before, _ in engine)} files", f"{sum(bool(after) for _, after in engine)} files")
    return plain | ({"edge": counts} if engine else {})
