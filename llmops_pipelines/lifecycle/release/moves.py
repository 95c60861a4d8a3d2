"""Moving releases: forward by phases, back by rollback, and what becomes of a move whose process died.

prepared (the record), alias set (MLflow), verified (parts and alias read back), committed. A rollback commits before it
touches MLflow: on-call people do not wait for it. Whether a candidate is good enough is decided in `promotion.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from llmops_pipelines.config.gate import STAGES
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Refusal, Version

from . import papers
from .history import ANSWERING, Conflict, History, Release
from .registry import Registry, RegistryUnavailable, tags_of

SMALL = 500e6  # bytes of model files that are copied into MLflow; larger ones are named there by their digest


class Impossible(Refusal):
    """The release cannot be moved as asked."""


@dataclass(frozen=True)
class Moves:
    """What moves the releases of one pipeline. `registry` opens MLflow, and only when it is needed."""

    lake: Lake
    history: History
    registry: Callable[[], Registry]

    def begin(self, release: Release) -> Release:
        """Write the record. What was on its way into the same stage is aborted: it was decided against another release."""
        begun = self.history.append(release)
        for other in self.history.unfinished():
            if other.stage == begun.stage and other.epoch < begun.epoch:
                self.history.end(other.epoch, "aborted", why=f"release {begun.epoch} came before it was finished")
        live = self.history.live(begun.stage)
        if (live.epoch if live else 0) != begun.replaces:  # committed while the record was written
            raise _outrun(self.history.end(begun.epoch, "aborted", why="it was decided against an older history"))
        return begun

    def finish(self, release: Release) -> Release:
        """Take a prepared (and, where asked for, approved) release through all phases, from wherever it stands.

        Raises `Impossible` when its parts are gone, `Conflict` when somebody aborted it meanwhile, `RegistryUnavailable`
        when MLflow failed: then it stays as it is, and `recover` or the next promotion goes on.
        """
        if gone := self._overtaken(release) or self.missing(release):
            self.history.end(release.epoch, "aborted", why=gone)
            raise _no_further(release, gone)
        registry = replace(self.registry(), run=release.run)
        version = registry.register(release.bundle, self._folders(release), tags_of(release))
        self._still_open(release)
        registry.point(release, version)
        self.history.mark(release.epoch, "alias set", model_version=version)
        if gone := self.missing(release):
            self.history.end(release.epoch, "aborted", why=gone)
            self._align(registry, release.stage)
            raise _no_further(release, gone)
        self.history.mark(release.epoch, "verified")
        ended = self.history.end(release.epoch, "committed", model_version=version)
        self._align(registry, release.stage)  # another release may have been committed while this process slept
        if ended.phase != "committed":
            raise _outrun(ended)
        return ended

    def approve(self, epoch: int, actor: str, why: str) -> Release:
        """Let a waiting release go on. Raises `Impossible` if it does not wait."""
        waits(self.history.record(epoch))
        self.history.mark(epoch, "approved", actor=actor, why=why)
        return self.finish(self.history.record(epoch))

    def rollback(self, to: int, actor: str, why: str, stage: str = "production") -> tuple[Release, str]:
        """Have an older release of a stage answer again, as a new epoch; nothing is built. Returns it, and in one sentence
        why MLflow does not follow yet (empty when it does). Raises `Impossible` when the release or its parts are gone."""
        target, live = self.returnable(to, stage), self.history.live(stage)
        carried = replace(
            target,
            epoch=max(self.history.epochs()) + 1,
            kind="rollback",
            moves=target.moves or target.epoch,
            replaces=live.epoch if live else 0,
            stage=stage,
            approval="automatic",
            actor=actor,
            why=why,
            prepared_at="",
            format=2,
            marks={},
        )
        ended = self.history.end(self.begin(carried).epoch, "committed")
        if ended.phase != "committed":
            raise _outrun(ended)
        try:
            self.align(stage)
        except RegistryUnavailable as error:
            return ended, str(error)
        return ended, ""

    def returnable(self, to: int, stage: str) -> Release:
        """The release that a rollback would go back to. Raises `Impossible` if there is nothing to go back to."""
        target, live = self.history.record(to), self.history.live(stage)
        if (target.phase, target.stage) != ("committed", stage):
            before = [each.epoch for each in self.history.releases(stage)][-6:-1]
            raise Impossible(
                f"release {to} of {target.pipeline} was never live in {stage} (it is {target.phase} in {target.stage}); "
                f"roll back to one of: {', '.join(map(str, before)) or 'none yet'}"
            )
        if live and live.bundle == target.bundle:
            raise Impossible(f"release {to} of {target.pipeline} answers already, as release {live.epoch}; nothing was moved")
        if gone := self.missing(target):
            raise Impossible(gone)
        return target

    def before(self, stage: str) -> int:
        """What a rollback goes back to: the newest release of a stage from before the live bundle came. After a rollback that
        is a still older one, never the one that was just taken back. Raises `Impossible` if there is none."""
        known = self.history.releases(stage)
        came = max((each.epoch for each in known if each.bundle == known[-1].bundle and each.kind != "rollback"), default=0)
        if older := [each.epoch for each in known if each.epoch < came and each.bundle != known[-1].bundle]:
            return older[-1]
        raise Impossible(
            f"{self.lake.pipeline} has no release in {stage} from before the live one; name another with --to "
            f"(llmops release list {self.lake.pipeline} shows them)"
        )

    def recover(self) -> list[str]:
        """Finish or abort what killed processes left behind, and make MLflow agree with the history. Returns what was done.

        A move goes on when MLflow's alias names what it came from, where it was going, or nothing; when it names anything
        else, somebody has taken over, and the move is aborted.
        """
        return [*map(self._recovered, self._stranded()), *self._aligned()]

    def resume(self) -> list[str]:
        """`recover`, if somebody left something behind; MLflow is opened only then."""
        return self.recover() if self._stranded() else []

    def align(self, stage: str) -> bool:
        """Make MLflow's alias of a stage follow the history. Returns whether it had to be moved."""
        return self._align(self.registry(), stage) if self.history.live(stage) else False

    def differences(self) -> list[str]:
        """How MLflow differs from the history, a sentence per stage that does."""
        registry = self.registry()
        return [said for stage in STAGES if (said := registry.differs(self.history.live(stage), stage))]

    def missing(self, release: Release) -> str:
        """Why this release cannot answer, in one sentence; empty when every part is there."""
        for role in ANSWERING:
            if role in release.parts:
                try:
                    self._base_is_there(role, part_of(self.lake, release, role))
                except DamagedVersion as error:
                    return str(error)
        return ""

    def _base_is_there(self, role: str, part: Version) -> None:
        if role == "base_model":
            folder = Path(part.json("base_model")["folder"])
            if lost := [name for name in part.json("base_model")["files"] if not (folder / name).is_file()]:
                raise DamagedVersion(f"{folder / lost[0]}: missing; a release needs it to answer; restore it")

    def _stranded(self) -> list[Release]:
        return [each for each in self.history.unfinished() if each.phase != "awaiting approval"]

    def _recovered(self, release: Release) -> str:
        came_from = self.history.record(release.replaces).bundle if release.replaces else None
        what = f"release {release.epoch} ({release.stage})"
        held = None if release.kind == "rollback" else self.registry().holder(release.stage)
        if held and held.bundle not in ("", release.bundle, came_from):
            why = f"MLflow's alias names version {held.version}, which it neither came from nor went to"
            self.history.end(release.epoch, "aborted", why=why)
            return f"{what} was aborted: {why}"
        try:
            if release.kind == "rollback":
                self.history.end(release.epoch, "committed")
            else:
                self.finish(release)
        except (Impossible, Conflict) as error:
            return f"{what} was aborted: {error}"
        return f"{what} was finished: it is {self.history.record(release.epoch).phase}"

    def _aligned(self) -> list[str]:
        registry = self.registry()
        moved = [(stage, self.history.live(stage)) for stage in STAGES if self._align(registry, stage)]
        return [
            f"MLflow's alias of {stage} names {f'release {live.epoch} again' if live else 'nothing'}" for stage, live in moved
        ]

    def _align(self, registry: Registry, stage: str) -> bool:
        live = self.history.live(stage)
        if live:
            return replace(registry, run=live.run).align(live, lambda: self._folders(live))
        coming = any(each.stage == stage for each in self.history.unfinished())
        return False if coming else registry.clear(stage)

    def _overtaken(self, release: Release) -> str:
        others = [each for each in self.history.records() if each.stage == release.stage and each.epoch > release.epoch]
        newer = [each.epoch for each in others if each.phase != "aborted"]
        return f"release {newer[-1]} came before it was finished" if newer else ""

    def _still_open(self, release: Release) -> None:
        now = self.history.record(release.epoch)
        if now.phase == "aborted":
            raise _outrun(now)

    def _folders(self, release: Release) -> list[Path]:
        """What MLflow keeps of a release: its papers, and the trained files if they are small."""
        kept = [papers.write(release, self.history.folder / f"{release.epoch:06d}")]
        for role in ("compressed", "checkpoint"):
            if role in release.parts:
                version = part_of(self.lake, release, role)
                trained = next((version.file(name) for name in ("adapter", "model") if version.file(name).is_dir()), None)
                if trained and sum(path.stat().st_size for path in trained.rglob("*")) <= SMALL:
                    kept.append(trained)
                break
        return kept


def waits(release: Release) -> Release:
    """The same release. Raises `Impossible` if it does not wait for a person."""
    if release.phase not in ("awaiting approval", "approved"):
        reason = f" ({release.marks['end'].get('why', '')})" if release.phase == "aborted" else ""
        raise Impossible(
            f"release {release.epoch} of {release.pipeline} does not wait for approval: it is {release.phase}{reason}; "
            f"llmops release list {release.pipeline} shows what does"
        )
    return release


def part_of(lake: Lake, release: Release, role: str) -> Version:
    """The version that a release pins in a role. Raises `DamagedVersion` if it is gone, `Impossible` if it has none."""
    name = release.pipeline
    if role not in release.parts:
        raise Impossible(
            f"release {release.epoch} of {name} answers without {role.replace('_', ' ')}; there is nothing to open"
        )
    pinned = release.parts[role]
    try:
        return lake.read(release.asset(role), pinned["fingerprint"])
    except DamagedVersion as error:
        raise DamagedVersion(
            f"release {release.epoch} of {name} needs {release.asset(role)} {pinned['digest'][:12]}, which is damaged or gone "
            f"({error}); restore it from a backup, or release anew with: llmops run {name}"
        ) from error


def _no_further(release: Release, why: str) -> Impossible:
    return Impossible(f"release {release.epoch} of {release.pipeline} goes no further: {why}; what is live stays live")


def _outrun(release: Release) -> Conflict:
    return Conflict(
        f"release {release.epoch} of {release.pipeline} was aborted by somebody else ({release.marks['end'].get('why', '')}); "
        f"what is live now stays live; materialize {release.pipeline}/release again to compare with it"
    )
