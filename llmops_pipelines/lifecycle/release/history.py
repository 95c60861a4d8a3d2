"""The release history: one write-once record per epoch. It is the truth; the MLflow alias `champion` follows it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.lake import Refusal, digest, files

ANSWERING = ("base_model", "checkpoint", "index", "retrieval_settings")


class Conflict(Refusal):
    """Somebody else released between reading the history and writing to it."""


@dataclass(frozen=True)
class Release:
    """The bundle that answers users, promoted and rolled back as one thing.

    `parts` names the exact version of each asset: {"index": {"fingerprint": ..., "digest": ...}, ...}.
    `settings` holds what else determines an answer: prompt, retriever, generation.
    """

    epoch: int
    pipeline: str
    parts: dict[str, dict[str, str]]
    settings: dict[str, Any]
    scores: dict[str, float]
    model_version: str
    reasons: list[str] = field(default_factory=list)

    @property
    def bundle(self) -> str:
        """Identity of what answers: two releases with the same answering parts and settings are the same product."""
        return bundle_digest(self.parts, self.settings)


def bundle_digest(parts: dict[str, dict[str, str]], settings: dict[str, Any]) -> str:
    """The parts that are evidence (scores, profile) or origin (documents) do not enter: they do not change an answer."""
    return digest({"parts": {asset: parts[asset]["digest"] for asset in ANSWERING if asset in parts}, "settings": settings})


@dataclass(frozen=True)
class History:
    """The releases of one pipeline, oldest first, as files `000001.json`, `000002.json`, ..."""

    folder: Path

    def releases(self) -> list[Release]:
        return [Release(**json.loads(path.read_text("utf-8"))) for path in sorted(self.folder.glob("[0-9]*.json"))]

    def live(self) -> Release | None:
        """The release that answers users now: the newest record."""
        newest = max(self.folder.glob("[0-9]*.json"), default=None)
        return None if newest is None else Release(**json.loads(newest.read_text("utf-8")))

    def append(self, release: Release) -> None:
        """Add `release` as the newest. Raises `Conflict` unless its epoch is the next one (compare-and-set)."""
        live = self.live()
        expected = live.epoch + 1 if live else 1
        path = self.folder / f"{release.epoch:06d}.json"
        if release.epoch != expected or not files.write_once(path, files.to_json(asdict(release))):
            raise Conflict(
                f"{path}: release {release.epoch} was decided against an older history; the live release is untouched; "
                f"materialize {release.pipeline}/release again to compare with the newer one"
            )
