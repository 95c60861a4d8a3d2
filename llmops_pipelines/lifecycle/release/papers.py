"""The papers of a release, made from its record alone: model card, bill of materials, and the bundle as JSON.

What the card says is `card.py`, the bill `bill.py`. The same record gives the same bytes, whoever writes them.
"""

from pathlib import Path
from typing import Any

from llmops_pipelines.config.endpoints import ChatEndpoint
from llmops_pipelines.lifecycle.lake import files

from .bill import bill_of_materials
from .card import model_card
from .history import Release

CARD, BILL, BUNDLE = "model_card.md", "bill_of_materials.cdx.json", "bundle.json"


def write(release: Release, folder: Path) -> Path:
    """Write the papers into `folder` unless they are there. Returns the folder."""
    files.write_once(folder / CARD, model_card(release).encode("utf-8"))
    files.write_once(folder / BILL, files.to_json(bill_of_materials(release)))
    files.write_once(folder / BUNDLE, files.to_json(_bundle(release)))
    return folder


def _bundle(release: Release) -> dict[str, Any]:
    """What answers. Files too large to travel along are found by these digests."""
    return {
        "pipeline": release.pipeline,
        "release": release.epoch,
        "bundle": release.bundle,
        "parts": release.parts,
        "settings": release.settings,
        "candidate": _without_address(release.candidate),
    }


def _without_address(candidate: dict[str, Any]) -> dict[str, Any]:
    """The papers travel; an endpoint's address may carry a password, and stays in the record."""
    spec = candidate.get("spec", {})
    if not spec.get("endpoint"):
        return candidate
    at = ChatEndpoint.model_validate(spec["endpoint"]).place
    return candidate | {"spec": spec | {"endpoint": {"at": at, "model": spec["endpoint"]["model"]}}}
