"""A whole release: who moved it, each step with its cost, sources, settings, scores. How it is shown is `release_page.py`.

The record of the release goes before; what it does not hold is read from the versions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.gate import STAGES
from llmops_pipelines.lifecycle.lake import Lake, Version

from ..graph import Graph, Node

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.release.history import History, Release

PHASES = ("approved", "alias set", "verified", "end")
AMOUNTS = ("seconds", "cpu_seconds", "gpu_seconds", "tokens")
HOLDS = {  # the facts that say in a few words what is in a version
    "raw_documents": ("files", "bytes", "unreadable"),
    "parsed_documents": ("documents", "dropped", "quarantined"),
    "documents": ("indexed", "skipped", "quarantined", "deleted"),
    "corpus_profile": ("documents", "words"),
    "chunks": ("chunks", "tokens_mean"),
    "embeddings": ("texts", "dimension", "embedded"),
    "index": ("points", "engine", "built"),
    "retrieval_settings": ("method", "dense_weight", "expected_mrr_at_10"),
    "eval_questions": ("questions", "dropped"),
    "training_examples": ("examples", "documents", "refusals"),
    "preference_pairs": ("examples", "documents"),
    "written_pairs": ("pairs", "documents"),
    "base_model": ("parameters", "licence"),
    "checkpoint": ("method", "steps", "loss_last"),
    "answers": ("questions", "failed", "refused"),
    "eval_scores": ("questions", "token_f1", "coverage"),
    "comparison": ("chosen", "candidates"),
}
FEW = 3


@dataclass(frozen=True)
class Step:
    """One version and what it took. Amounts are None where they were not recorded; `gone` says why a version is missing."""

    asset: str
    role: str
    digest: str
    fingerprint: str
    holds: dict[str, Any]
    code: str
    config: Any
    parents: dict[str, str]
    made_at: str
    run: str
    seconds: float | None
    cpu_seconds: float | None
    gpu_seconds: float | None
    tokens: float | None
    gone: str = ""


@dataclass(frozen=True)
class Source:
    """What one source held; `documents` are those that came through."""

    name: str
    digest: str
    snapshot: str
    files: int | None
    bytes: int | None
    documents: int | None
    licence: str
    consent: str
    trust: str


@dataclass(frozen=True)
class Listed:
    """A document of the release. `source_sha256` is the sha256 of the file that it was parsed from."""

    doc_id: str
    content_hash: str
    source_sha256: str
    source: str
    licence: str
    file: str
    title: str


@dataclass(frozen=True)
class ReleaseLineage:
    """The answer to "what was this release made of?"."""

    pipeline: str
    release: int
    stage: str
    kind: str
    phase: str
    live_in: list[str]
    actor: str
    why: str
    prepared_at: str
    promoted_at: str
    phases: list[dict[str, Any]]
    bundle: str
    replaces: int
    moves: int
    candidate: str
    model_version: str
    mlflow_run: str
    code: str
    packages: dict[str, str]
    steps: list[Step]
    totals: dict[str, float]  # of the amounts that some step recorded
    steps_measured: int
    sources: list[Source]
    settings: dict[str, Any]
    scores: dict[str, dict[str, Any]]
    judge: str
    verdict: str
    reasons: list[str]
    documents: list[Listed] | None = None

    @property
    def gone(self) -> list[Step]:
        return [step for step in self.steps if step.gone]


def lineage_of(lake: Lake, history: "History", release: "Release", *, documents: bool = False) -> ReleaseLineage:
    """Everything that a release was made of. With `documents` each document is listed with its source bytes."""
    graph = Graph.of(lake, release)
    steps = [_step(node) for node in graph.nodes]
    measured = [step for step in steps if step.cpu_seconds is not None]
    totals = {name: round(sum(known), 3) for name in AMOUNTS if (known := _known(steps, name))}
    return ReleaseLineage(
        **_header(release),
        live_in=live_in(history, release),
        steps=steps,
        totals=totals,
        steps_measured=len(measured),
        sources=[_source(node, release) for node in graph.of_noun("raw_documents")],
        settings=_settings(graph, release),
        scores=_scores(graph, release),
        documents=_listed(graph) if documents else None,
    )


def _known(steps: list[Step], name: str) -> list[float]:
    return [amount for step in steps if (amount := getattr(step, name)) is not None]


def live_in(history: "History", release: "Release") -> list[str]:
    """The stages that this release answers in now."""
    return [stage for stage in STAGES if (live := history.live(stage)) and live.epoch == release.epoch]


def moved_by(release: "Release") -> list[dict[str, Any]]:
    """The phases that it went through: phase, when, by whom, why."""
    found = [{"phase": "prepared", "at": release.prepared_at, "actor": release.actor, "why": release.why}]
    for phase in PHASES:
        if mark := release.marks.get(phase):
            said = {"phase": mark.get("outcome", phase), "at": mark["at"]}
            found.append(said | {"actor": mark.get("actor", ""), "why": mark.get("why", "")})
    return found


def _header(release: "Release") -> dict[str, Any]:
    alike = ("pipeline", "stage", "kind", "phase", "actor", "why", "prepared_at", "promoted_at", "bundle", "replaces", "moves")
    more = ("model_version", "code", "packages", "judge", "reasons")
    return {
        **{name: getattr(release, name) for name in (*alike, *more)},
        "release": release.epoch,
        "phases": moved_by(release),
        "candidate": release.candidate["spec"]["name"] if release.candidate else "",
        "mlflow_run": release.run,
        "verdict": release.evidence.get("verdict", ""),
    }


def _step(node: Node) -> Step:
    version = node.version
    made = version.made if version else {}
    return Step(
        asset=node.asset,
        role=node.role,
        digest=node.digest,
        fingerprint=node.fingerprint,
        holds=_holds(version) if version else {},
        code=version.manifest.get("code", "") if version else "",
        config=version.config if version else None,
        parents=dict(node.parents),
        made_at=made.get("at", ""),
        run=made.get("run", ""),
        **{name: made.get(name) for name in AMOUNTS},
        gone=node.reason,
    )


def _holds(version: Version) -> dict[str, Any]:
    """A few facts: those that matter for such an asset, else the first plain ones."""
    facts = version.facts
    wanted = [name for name in _words_for(version.noun) if name in facts]
    plain = [name for name, value in facts.items() if isinstance(value, int | float | str) and len(str(value)) < 30]
    return {name: facts[name] for name in (wanted or plain[:FEW])}


def _words_for(noun: str) -> tuple[str, ...]:
    return next((words for known, words in HOLDS.items() if noun == known or noun.startswith(f"{known}_")), ())


def _source(node: Node, release: "Release") -> Source:
    facts = node.version.facts if node.version else {}
    name = node.asset.partition("/")[2]
    origins = [row for row in release.terms.get("documents", ()) if row["source"] == name]
    said = {key: ", ".join(sorted({row[key] for row in origins})) for key in ("licence", "consent", "trust")}
    count = sum(row["documents"] for row in origins) if release.terms else None
    return Source(name, node.digest, facts.get("snapshot", ""), facts.get("files"), facts.get("bytes"), count, **said)


def _settings(graph: Graph, release: "Release") -> dict[str, Any]:
    """What decides an answer besides documents and weights; a part that is gone leaves its settings out."""
    from llmops_pipelines.lifecycle.evaluation.candidates import PROMPTS, Spec

    said = release.candidate.get("spec", {})
    spec = Spec.read(said) if said else None
    found: dict[str, Any] = {"answers": {name: value for name, value in said.items() if name not in PROMPTS}}
    for name in PROMPTS:
        prompt = getattr(spec, name, None)
        if prompt:
            found[name] = said[name] | {"digest": prompt.digest}
    found |= {name: words for name, words in release.settings.items() if name in ("embeddings", "index")}
    for role, file in (("chunks", "chunker"), ("retrieval_settings", "retrieval_settings")):
        found[file] = _json(graph.role(role) or _one_of(graph, role), file)
    found["embedder"] = _json(_one_of(graph, "embeddings"), "embedder")
    base = _json(graph.role("base_model"), "base_model")
    found["base_model"] = (release.terms.get("base_model") or {}) | {name: base[name] for name in base if name != "files"}
    checkpoint = graph.role("checkpoint")
    found["recipe"] = _json(checkpoint, "checkpoint")
    if checkpoint and checkpoint.config:
        found["recipe"] |= {"config": checkpoint.config}
    return {name: words for name, words in found.items() if words}


def _one_of(graph: Graph, noun: str) -> Version | None:
    """The version of a noun of which the graph has one; None when it has none, or it is gone."""
    return next((node.version for node in graph.of_noun(noun) if node.version), None)


def _json(version: Version | None, name: str) -> dict[str, Any]:
    if version is None or not version.has(f"{name}.json"):
        return {}
    try:
        return version.json(name)
    except (OSError, ValueError):
        return {}


def _scores(graph: Graph, release: "Release") -> dict[str, dict[str, Any]]:
    """metric -> mean, low, high (95 % interval), n, coverage."""
    summary: Mapping[str, Mapping[str, Any]] = release.evidence.get("summary") or _json(graph.role("eval_scores"), "summary")
    wanted = ("mean", "low", "high", "n", "coverage")
    return {metric: {name: row.get(name) for name in wanted} for metric, row in summary.items()}


def _listed(graph: Graph) -> list[Listed]:
    documents = graph.role("documents") or _one_of(graph, "documents")
    if documents is None:
        return []
    columns = ["doc_id", "content_hash", "source", "licence", "file", "title"]
    bytes_of = dict(_source_bytes(node.version for node in graph.of_noun("raw_documents") if node.version))
    found = []
    for batch in documents.batches(columns=columns):
        rows = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        for doc_id, content, source, licence, file, title in rows:
            found.append(Listed(doc_id, content, bytes_of.get((source, file), ""), source, licence, file, title))
    return found


def _source_bytes(raw: Iterable[Version]) -> Iterable[tuple[tuple[str, str], str]]:
    for version in raw:
        source = version.asset.partition("/")[2]
        for batch in version.batches(columns=["uri", "blob"]):
            for uri, blob in zip(batch.column("uri").to_pylist(), batch.column("blob").to_pylist(), strict=True):
                yield (source, uri), blob
