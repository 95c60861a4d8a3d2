"""The AI bill of materials of a release: CycloneDX 1.6 JSON, from its record alone.

https://cyclonedx.org/docs/1.6/json/: documents by source and licence, base model, trained weights, datasets, code, packages.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from .history import Release
from .surroundings import PACKAGE

DATASETS = {"training_examples": "training examples", "preference_pairs": "preference pairs", "eval_questions": "questions"}
WEIGHTS = {"checkpoint": "fine-tuned weights", "compressed": "compressed weights", "embedder": "fine-tuned embedding model"}
Component = dict[str, Any]


def bill_of_materials(release: Release) -> dict[str, Any]:
    """The bill as JSON. Its serial number comes from the bundle and the epoch: the same record has the same bill."""
    components = [*_documents(release), *_models(release), *_datasets(release), *_code(release)]
    stamped = {"timestamp": release.prepared_at} if release.prepared_at else {}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{release.pipeline} {release.epoch} {release.bundle}')}",
        "version": 1,
        "metadata": {**stamped, "component": _release(release)},
        "components": components,
        "dependencies": [{"ref": "release", "dependsOn": [each["bom-ref"] for each in components]}],
    }


def _release(release: Release) -> Component:
    measured = [
        {"type": metric, "value": f"{row['mean']:.6g}", **_interval(row)}
        for metric, row in release.evidence.get("summary", {}).items()
        if row.get("mean") is not None
    ]
    card: dict[str, Any] = {"modelParameters": {"task": "question answering from documents"}}
    if measured:
        card["quantitativeAnalysis"] = {"performanceMetrics": measured}
    if purpose := release.terms.get("purpose"):
        card["considerations"] = {"useCases": [purpose]}
    said = {"llmops:bundle": release.bundle, "llmops:stage": release.stage, "llmops:candidate": _candidate(release)}
    return {
        "type": "machine-learning-model",
        "bom-ref": "release",
        "name": release.pipeline,
        "version": str(release.epoch),
        "modelCard": card,
        "properties": _properties(said),
    }


def _documents(release: Release) -> Iterator[Component]:
    for row in release.terms.get("documents", ()):
        said = {"llmops:consent": row["consent"], "llmops:trust": row["trust"], "llmops:documents": row["documents"]}
        yield {
            "type": "data",
            "bom-ref": f"documents:{row['source']}:{row['licence']}:{row['consent']}:{row['trust']}",
            "name": f"documents of {row['source']}",
            "licenses": [{"license": {"name": row["licence"]}}],
            "data": [{"type": "dataset", "name": row["source"]}],
            "properties": _properties(said),
        }


def _models(release: Release) -> Iterator[Component]:
    if base := release.terms.get("base_model"):
        yield {
            "type": "machine-learning-model",
            "bom-ref": "base_model",
            "name": base["name"],
            **({"version": base["revision"]} if base["revision"] else {}),
            **({"hashes": [{"alg": "SHA-256", "content": base["sha256"]}]} if base["sha256"] else {}),
            **({"licenses": [{"license": {"name": base["licence"]}}]} if base["licence"] else {}),
        }
    yield from _parts(release, WEIGHTS, "machine-learning-model")
    embeddings = release.settings.get("embeddings", {})
    if embeddings and not embeddings.get("endpoint"):
        yield {
            "type": "machine-learning-model",
            "bom-ref": "embedding_model",
            "name": embeddings["model"],
            **({"version": embeddings["revision"]} if embeddings.get("revision") else {}),
            "hashes": [{"alg": "SHA-256", "content": embeddings["sha256"]}],
        }


def _datasets(release: Release) -> Iterator[Component]:
    for component in _parts(release, DATASETS, "data"):
        yield component | {"data": [{"type": "dataset", "name": component["name"]}]}


def _parts(release: Release, wanted: Mapping[str, str], kind: str) -> Iterator[Component]:
    for role, name in wanted.items():
        if role in release.parts:
            said = {"llmops:digest": release.parts[role]["digest"], "llmops:asset": release.asset(role)}
            yield {"type": kind, "bom-ref": role, "name": name, "properties": _properties(said)}


def _code(release: Release) -> Iterator[Component]:
    if release.code:
        yield {"type": "application", "bom-ref": "code", "name": PACKAGE, "version": release.code}
    for name, version in release.packages.items():
        normal = re.sub(r"[-_.]+", "-", name).lower()
        address = f"pkg:pypi/{normal}@{quote(version, safe='')}"
        yield {"type": "library", "bom-ref": address, "name": name, "version": version, "purl": address}


def _interval(row: Mapping[str, Any]) -> dict[str, Any]:
    if row.get("low") is None or row.get("high") is None:
        return {}
    return {"confidenceInterval": {"lowerBound": f"{row['low']:.6g}", "upperBound": f"{row['high']:.6g}"}}


def _candidate(release: Release) -> str:
    return release.candidate["spec"]["name"] if release.candidate else "unknown"


def _properties(said: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": name, "value": str(value)} for name, value in said.items()]
