"""The MLflow model registry as a projection of the release history: versions are registered once, aliases and tags follow.

What is live is decided in `history.py`; nothing here is ever asked about it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Refusal

from .history import PRODUCTION, Release

if TYPE_CHECKING:
    from mlflow import MlflowClient

BUNDLE = "llmops/bundle"
RELEASE, RECORD = "llmops/release.", "llmops/record."  # they go on with a stage: one version may be live in several
GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # what MLflow says when an alias names nothing


class RegistryUnavailable(Refusal):
    """MLflow did not do what it was asked for."""


@dataclass(frozen=True)
class Registered:
    """A model version as MLflow has it. `releases` are the epochs by which it got into a stage, `records` the seals of those
    releases' records: an edited history differs from them."""

    version: str
    bundle: str
    releases: Mapping[str, str]
    records: Mapping[str, str]


def alias_of(stage: str) -> str:
    """The alias of a stage: `champion` answers users; the others are called like their stage."""
    return "champion" if stage == PRODUCTION else stage


@dataclass(frozen=True)
class Registry:
    """The registered model of one pipeline, through an `MlflowClient`. `run` is the MLflow run that trained what is
    registered next. Every method raises `RegistryUnavailable` when MLflow fails."""

    client: "MlflowClient"
    name: str
    run: str = ""

    def register(self, bundle: str, folders: Sequence[Path], tags: Mapping[str, str]) -> str:
        """Register the files of a bundle and return its model version. Once per bundle."""
        marks = {**tags, BUNDLE: bundle}
        with self._asked("register the model"):
            self._ensure()
            if known := self.find(bundle):
                return known.version
            model = self.client.create_logged_model(
                self._experiment(), name=self.name, source_run_id=self.run or None, tags=marks, model_type="llmops"
            )
            for folder in folders:
                self.client.log_model_artifacts(model.model_id, str(folder))
            self.client.finalize_logged_model(model.model_id, "READY")
            source = f"models:/{model.model_id}"
            created = self.client.create_model_version(
                self.name, source, run_id=self.run or None, tags=marks, model_id=model.model_id
            )
            first = self.find(bundle)  # of two processes that register at once both take the older one
            return first.version if first else str(created.version)

    def find(self, bundle: str) -> Registered | None:
        """The oldest model version of a bundle, None if there is none (or it was deleted)."""
        with self._asked("list the model's versions"):
            found = [v for v in self.client.search_model_versions(f"name = '{self.name}'") if v.tags.get(BUNDLE) == bundle]
            return min(map(_registered, found), key=lambda each: int(each.version), default=None)

    def holder(self, stage: str = PRODUCTION) -> Registered | None:
        """The model version that the alias of a stage names, None if it names none."""
        with self._asked("read its alias"):
            return self._holder(stage)

    def point(self, release: Release, version: str) -> None:
        """Have the alias of the release's stage name `version`, say so in a tag, and read both back."""
        alias, epoch = alias_of(release.stage), str(release.epoch)
        with self._asked(f"set its alias {alias}"):
            self.client.set_model_version_tag(self.name, version, RELEASE + release.stage, epoch)
            self.client.set_model_version_tag(self.name, version, RECORD + release.stage, release.seal)
            self.client.set_registered_model_alias(self.name, alias, version)
            held = self._holder(release.stage)
        if held is None or (held.version, held.releases.get(release.stage)) != (version, epoch):
            now = f"version {held.version}" if held else "nothing"
            raise RegistryUnavailable(
                f"MLflow alias {self.name}@{alias} reads {now} after it was set to version {version} for release {epoch}; "
                f"somebody else moves it; set it right with: llmops release recover {self.name}"
            )

    def differs(self, live: Release | None, stage: str = PRODUCTION) -> str:
        """In one sentence how alias and tags differ from what the history says; empty when they agree."""
        held, alias = self.holder(stage), f"MLflow alias {self.name}@{alias_of(stage)}"
        if live is None:
            return f"{alias} names version {held.version}, but nothing was released" if held else ""
        expected = f"release {live.epoch} is live"
        if held is None:
            return f"{alias} names nothing, but {expected}"
        if not _same(held, live):
            return f"{alias} names version {held.version} (release {held.releases.get(stage, 'unknown')}), but {expected}"
        return ""

    def align(self, live: Release | None, folders: Callable[[], Sequence[Path]] = tuple) -> bool:
        """Make the alias of a stage say what the history says. Returns whether it had to be moved.

        A model version that was deleted is registered again from `folders()`.
        """
        if live is None or not self.differs(live, live.stage):
            return False
        self.point(live, self._version_of(live, folders))
        return True

    def clear(self, stage: str) -> bool:
        """Have the alias of a stage name nothing, where it names a bundle of ours. Returns whether it had to be moved."""
        held = self.holder(stage)
        if held is None or not held.bundle:
            return False
        with self._asked(f"clear its alias {alias_of(stage)}"):
            self.client.delete_registered_model_alias(self.name, alias_of(stage))
        return True

    def _version_of(self, live: Release, folders: Callable[[], Sequence[Path]]) -> str:
        if live.format == 1:
            with self._asked("list the model's versions"):
                numbers = {str(v.version) for v in self.client.search_model_versions(f"name = '{self.name}'")}
            if live.model_version in numbers:
                return live.model_version
        known = self.find(live.bundle)
        return known.version if known else self.register(live.bundle, folders(), tags_of(live))

    def _holder(self, stage: str) -> Registered | None:
        from mlflow.exceptions import MlflowException

        try:
            return _registered(self.client.get_model_version_by_alias(self.name, alias_of(stage)))
        except MlflowException as error:
            if error.error_code in GONE:
                return None
            raise

    def _experiment(self) -> str:
        if self.run:
            return self.client.get_run(self.run).info.experiment_id
        if found := self.client.get_experiment_by_name(self.name):
            return found.experiment_id
        raise RegistryUnavailable(f"MLflow has no experiment {self.name}; make it with: llmops run {self.name}")

    def _ensure(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:  # requests' errors are OSErrors
            raise RegistryUnavailable(
                f"MLflow could not {what} ({self.name}: {type(error).__name__}: {_first_line(error)}); what was live stays "
                f"live; when MLflow answers again: llmops release recover {self.name}"
            ) from error


def tags_of(release: Release) -> dict[str, str]:
    """What a model version says of its bundle: the digest of each part."""
    return {role: part["digest"] for role, part in release.parts.items()}


def _registered(version) -> Registered:
    return Registered(
        str(version.version), version.tags.get(BUNDLE, ""), *(_by_stage(version.tags, each) for each in (RELEASE, RECORD))
    )


def _by_stage(tags: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {key.removeprefix(prefix): value for key, value in tags.items() if key.startswith(prefix)}


def _same(held: Registered, live: Release) -> bool:
    if live.format == 1:  # of the time before versions carried these tags
        return held.version == live.model_version
    return (held.bundle, held.releases.get(live.stage)) == (live.bundle, str(live.epoch))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
