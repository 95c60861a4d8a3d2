"""Drift: how far the corpus has moved from the one that the live release was made of, measured four ways.

What could not be measured is inconclusive and never drift: a first run has nothing to be compared with.
"""

from dataclasses import asdict, dataclass
from math import log
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.pipeline import Drift
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

CODE = "1"
LENGTH_BINS = (0, 500, 1000, 1500, 2000, 3000, 4000, 6000, 10_000, 10**9)  # characters


@dataclass(frozen=True)
class Drifted:
    """One measure beside its threshold."""

    measure: str
    value: float
    threshold: float

    @property
    def over(self) -> bool:
        return self.value >= self.threshold

    def __str__(self) -> str:
        return f"{self.measure} {self.value:.3f} {'>=' if self.over else '<'} {self.threshold:g}"


def drift_report(lake: Lake, profile: Version, reference: Version | None, drift: Drift) -> Version:
    """Compare a profile with the live release's: json `drift_report`, table `changed_documents`, picture `drift.png`."""

    def write(draft: Draft) -> None:
        if reference is None:
            draft.json("drift_report", {"outcome": "no_reference", "measures": []})
            draft.facts.update(outcome="no_reference", why="nothing has been released yet")
            return
        changes = changed_documents(profile, reference)
        measures = _measures(profile, reference, changes, drift)
        outcome = "drifted" if any(measure.over for measure in measures) else "stable"
        draft.json("drift_report", {"outcome": outcome, "measures": [asdict(measure) for measure in measures]})
        draft.table("changed_documents", changes)
        draft.facts.update(outcome=outcome, why="; ".join(map(str, measures)))
        draft.facts.update({measure.measure: round(measure.value, 6) for measure in measures})
        kinds = changes.column("change").to_pylist()
        draft.facts.update({kind: kinds.count(kind) for kind in ("added", "edited", "removed")})
        _plot(draft, profile, reference, measures)

    settings = {"thresholds": drift.model_dump(mode="json"), "reference": reference.digest if reference else None}
    return lake.once("drift_report", code=CODE, config=settings, parents=[profile], write=write)


def changed_documents(now: Version, then: Version):
    """Table (doc_id, change) of documents added, edited or removed, sorted by doc_id."""
    import pyarrow as pa

    new, old = _contents(now), _contents(then)
    change = dict.fromkeys(new.keys() - old.keys(), "added")
    change |= dict.fromkeys(old.keys() - new.keys(), "removed")
    change |= {doc: "edited" for doc in new.keys() & old.keys() if new[doc] != old[doc]}
    ordered = sorted(change.items())
    schema = pa.schema([("doc_id", pa.string()), ("change", pa.string())])
    return pa.table({"doc_id": [doc for doc, _ in ordered], "change": [kind for _, kind in ordered]}, schema=schema)


def population_stability(now: "Sequence[int]", then: "Sequence[int]") -> float:
    """Population stability index of two histograms over the same bins, with half a count added to each bin.

    0 for equal shapes; 0.1 is commonly called a small shift and 0.25 a large one (Siddiqi 2006, Credit Risk Scorecards).
    """
    new = [count + 0.5 for count in now]
    old = [count + 0.5 for count in then]
    shares = [(a / sum(new), b / sum(old)) for a, b in zip(new, old, strict=True)]
    return sum((a - b) * log(a / b) for a, b in shares)


def _contents(profile: Version) -> dict[str, str]:
    table = profile.table()
    return dict(zip(table.column("doc_id").to_pylist(), table.column("content_hash").to_pylist(), strict=True))


def _measures(now: Version, then: Version, changes: Any, drift: Drift) -> list[Drifted]:
    new, old = now.json("profile"), then.json("profile")
    union = new["documents"] + changes.column("change").to_pylist().count("removed")
    measures = [
        Drifted("documents_changed", changes.num_rows / max(union, 1), drift.documents_changed),
        Drifted("lengths", population_stability(*_histograms(now, then)), drift.lengths),
        Drifted("vocabulary", _word_distance(new["words"], old["words"]), drift.vocabulary),
    ]
    if new["embedder"] == old["embedder"]:  # vectors of two models cannot be compared: not measured, and thus no drift
        measures.append(Drifted("embeddings", _cosine_distance(new["mean_vector"], old["mean_vector"]), drift.embeddings))
    return measures


def _histograms(now: Version, then: Version) -> "tuple[np.ndarray, np.ndarray]":
    import numpy as np

    return tuple(np.histogram(profile.table().column("characters").to_numpy(), LENGTH_BINS)[0] for profile in (now, then))


def _word_distance(new: dict[str, int], old: dict[str, int]) -> float:
    """Jensen-Shannon distance (base 2, 0 to 1) between word frequencies."""
    from scipy.spatial.distance import jensenshannon

    words = sorted(new.keys() | old.keys())
    return float(jensenshannon([new.get(w, 0) for w in words], [old.get(w, 0) for w in words], base=2))


def _cosine_distance(new: list[float], old: list[float]) -> float:
    from scipy.spatial.distance import cosine

    return float(cosine(new, old))


def _plot(draft: Draft, now: Version, then: Version, measures: list[Drifted]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    bars, lengths = figure.subplots(1, 2)
    names = [measure.measure.replace("_", " ") for measure in measures]
    bars.barh(names, [m.value / m.threshold for m in measures], color=["#c0392b" if m.over else "#2e7d5b" for m in measures])
    bars.axvline(1, color="black", linestyle="--", linewidth=1)
    bars.set(title="Drift, as a share of its threshold", xlim=(0, None))
    bars.invert_yaxis()
    labels = [f"< {edge:,}" for edge in LENGTH_BINS[1:-1]] + ["longer"]
    for offset, (counts, label, colour) in enumerate(
        zip(_histograms(now, then), ("now", "at the release"), ("#2b6cb0", "#a0aec0"), strict=True)
    ):
        lengths.bar([place + 0.4 * offset for place in range(len(counts))], counts, width=0.4, label=label, color=colour)
    lengths.set_xticks([place + 0.2 for place in range(len(labels))], labels, rotation=45, ha="right", fontsize=8)
    lengths.set(title="Documents by length (characters)")
    lengths.legend()
    FigureCanvasAgg(figure).print_png(draft.file("drift.png", data=False))
