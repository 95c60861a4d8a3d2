"""Who allows what: the base model against the catalogue, licences against the gate, and where the documents come from.

Everything here is written into the release, its card and its bill of materials.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from llmops_pipelines.config.catalogue import FILE, Catalogue
from llmops_pipelines.config.gate import Gate
from llmops_pipelines.lifecycle.evaluation.candidates import Spec
from llmops_pipelines.lifecycle.lake import Version

from .gate import Finding


@dataclass(frozen=True)
class Origin:
    """Documents of one source under one licence."""

    source: str
    licence: str
    consent: str
    trust: str
    documents: int


@dataclass(frozen=True)
class Base:
    """The model that answers before anything was trained. `sha256` is empty for one behind an endpoint."""

    name: str
    sha256: str
    licence: str
    revision: str = ""
    parameters: int = 0

    @property
    def shown(self) -> str:
        return f"{self.name} (sha256 {self.sha256[:12]})" if self.sha256 else self.name


@dataclass(frozen=True)
class Terms:
    """What a release is made from, and on what terms. `base` is None when no model answers."""

    origins: tuple[Origin, ...]
    base: Base | None

    def recorded(self) -> dict[str, object]:
        return {"documents": [asdict(each) for each in self.origins], "base_model": asdict(self.base) if self.base else None}


def terms(documents: Version, base_model: Version | None, spec: Spec, catalogue: Catalogue | None) -> Terms:
    """The terms of documents and base model. What the catalogue knows of the model goes before what its recipe says."""
    return Terms(tuple(_origins(documents)), _base(base_model, spec, catalogue))


def cleared(gate: Gate, found: Terms, spec: Spec, catalogue: Catalogue | None) -> Iterator[Finding]:
    """The findings about models and licences."""
    if spec.model != "none" and gate.base_models == "catalogue":
        yield _approved(found.base, catalogue)
    if gate.licences:
        yield _licensed(gate.licences, found)
    if gate.use and spec.model != "none":
        yield _usable(gate.use, found.base, catalogue)


def _approved(base: Base | None, catalogue: Catalogue | None) -> Finding:
    rule = f"its base model is listed in {FILE}"
    if base is None:
        return Finding(rule, "nothing: the candidate came without its base model", "inconclusive")
    if catalogue is None:
        return Finding(rule, f"no file {FILE}; write one that lists {base.shown} with its licence and uses", "fail")
    known = catalogue.find(base.sha256 or None, base.name)
    if known is None:
        what = f"sha256: {base.sha256}" if base.sha256 else f"name: {base.name}"
        return Finding(rule, f"{base.shown} is not listed; when it was reviewed, add it with {what}, licence and uses", "fail")
    return Finding(rule, known.name, "pass")


def _licensed(allowed: list[str], found: Terms) -> Finding:
    rule = f"documents and base model have one of the licences {', '.join(allowed)}"
    odd = [f"source {each.source}: {each.licence}" for each in found.origins if each.licence not in allowed]
    if found.base and found.base.licence not in allowed:
        odd.append(f"base model {found.base.name}: {found.base.licence or 'unknown'}")
    return Finding(rule, "; ".join(odd) or "no exception", "fail" if odd else "pass")


def _usable(use: str, base: Base | None, catalogue: Catalogue | None) -> Finding:
    rule = f"its base model may be used for: {use}"
    known = catalogue.find(base.sha256 or None, base.name) if catalogue and base else None
    if known is None:
        return Finding(rule, f"nothing: {FILE} does not list it", "inconclusive")
    return Finding(rule, ", ".join(known.uses), "pass" if use in known.uses else "fail")


def _origins(documents: Version) -> Iterator[Origin]:
    columns = ["source", "licence", "consent", "trust"]
    counted: Counter[tuple[str, ...]] = Counter()
    for batch in documents.batches(columns=columns):
        counted.update(zip(*(batch.column(name).to_pylist() for name in columns), strict=True))
    yield from (Origin(*said, count) for said, count in sorted(counted.items()))


def _base(base_model: Version | None, spec: Spec, catalogue: Catalogue | None) -> Base | None:
    if spec.model == "endpoint" and spec.endpoint:
        known = catalogue.find(None, spec.endpoint.model) if catalogue else None
        return Base(spec.endpoint.model, "", known.licence if known else "")
    if base_model is None or spec.model == "none":
        return None
    said: Mapping = base_model.json("base_model")
    known = catalogue.find(said["weights_sha256"]) if catalogue else None
    name = known.name if known else said["folder"].rstrip("/").rpartition("/")[2]
    return Base(
        name=name,
        sha256=said["weights_sha256"],
        licence=known.licence if known else said["licence"],
        revision=(known.revision if known else None) or "",
        parameters=said.get("parameters") or 0,
    )
