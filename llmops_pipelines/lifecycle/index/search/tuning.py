"""The asset retrieval_settings: which mix of dense and BM25 search finds most, measured on the pipeline's own questions.

The index is asked once per question; the grid is arithmetic on what it found. Every score that is shown as an expectation
was measured on documents that had no part in the choice.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.pipeline import Embeddings, Retrieval
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version

from ..embedders.endpoint import Secrets
from ..engines.contract import EVERYTHING
from . import fusion, lexical, tuning_plot
from .fusion import Fusion, Pool
from .retrieval import CODE as _SEARCH
from .retrieval import Retriever, Settings

if TYPE_CHECKING:
    import numpy as np

    from ..indexing import Connect

CODE = "retrieval_settings-1"
FEWEST = 20  # questions; fewer say more about themselves than about the next one
FOLDS = 5
DEPTH = 10  # of the reciprocal rank
WEIGHTS = tuple(round(0.05 * step, 2) for step in range(1, 20))
RRF_K, RRF_WEIGHTS = (2, 10, 60), (0.3, 0.5, 0.7)
RRF = Fusion("rrf")  # what engines do by default, always shown


@dataclass(frozen=True)
class TuningQuestion:
    """A question, the doc_ids in which its answer stands, and the cluster of near-duplicates that those belong to."""

    question: str
    documents: frozenset[str]
    cluster: str


@dataclass(frozen=True)
class Measured:
    """A grid on questions: reciprocal ranks within `DEPTH`, float [settings, questions], and the ranks themselves."""

    grid: list[Fusion]
    ranks: "np.ndarray"
    reciprocal: "np.ndarray"
    folds: "np.ndarray"


def tune(
    lake: Lake,
    index: Version,
    questions: Sequence[TuningQuestion],
    embeddings: Embeddings,
    retrieval: Retrieval,
    connect: "Connect | None" = None,
    secrets: Secrets | None = None,
) -> Version:
    """Asset retrieval_settings: json `retrieval_settings` (read by `Settings.of`), the table of the grid, and a figure.

    With `retrieval.method` other than tuned the settings are those of the file and the grid is only shown. With fewer than
    20 questions, or all on one document, nothing is measured; `reason` in the facts says so.
    """
    asked = sorted(set(questions), key=lambda each: (each.cluster, each.question, sorted(each.documents)))

    given = Settings.given(retrieval)

    def write(draft: Draft) -> None:
        clusters = len({each.cluster for each in asked})
        if len(asked) < FEWEST or clusters < 2:
            draft.facts["reason"] = (
                f"taken as given: {len(asked)} questions on {clusters} documents, at least {FEWEST} on 2 are needed to measure"
            )
            _write(draft, given, [])
            return
        both = Settings(Fusion(candidates=retrieval.candidates))
        with closing(Retriever.open(lake, index, embeddings, both, connect, secrets)) as retriever:
            pool, right = candidates_of(retriever, asked, retrieval.candidates)
        measured = measure(pool, right, folds_of([each.cluster for each in asked]), given.fusion)
        ranks, row = measured.ranks[measured.grid.index(given.fusion)], measured.grid.index(given.fusion)
        draft.facts["reason"] = f"taken as given: retrieval.method is {retrieval.method}"
        if retrieval.method == "tuned":
            row, draft.facts["reason"] = choose(measured, measured.folds >= 0)
            ranks = cross_validated(measured)
        draft.facts |= _facts(measured, ranks)
        _write(draft, replace(given, fusion=measured.grid[row]), _rows(measured))

    words = retrieval.model_dump(mode="json")
    said = [[each.question, sorted(each.documents), each.cluster] for each in asked]
    codes = [CODE, _SEARCH, fusion.CODE, lexical.CODE]
    config = {"retrieval": words, "questions": said, "codes": codes}
    return lake.once("retrieval_settings", code=CODE, config=config, parents=[index], write=write)


def grid(candidates: int, bm25_unit: float) -> list[Fusion]:
    """All settings that are tried; the first is the default, which keeps its place unless another is clearly better."""
    default = Fusion("hybrid", candidates=candidates)
    weighted = [
        Fusion("hybrid", weight, kind, bm25_unit if kind == "linear" else 1.0, candidates=candidates)
        for kind in ("minmax", "deviations", "linear")
        for weight in WEIGHTS
    ]
    ranked = [Fusion("rrf", weight, rrf_k=k, candidates=candidates) for k in RRF_K for weight in RRF_WEIGHTS]
    alone = [Fusion("dense", 1.0, candidates=candidates), Fusion("bm25", 0.0, candidates=candidates)]
    return list(dict.fromkeys([default, *alone, *ranked, *weighted]))


def measure(pool: Pool, right: "np.ndarray", folds: "np.ndarray", also: Fusion | None = None) -> Measured:
    """Try the whole grid, and `also`. `right` is bool [questions, candidates]: columns that answer the question."""
    import numpy as np

    tops = np.where(np.isnan(pool.bm25), 0, pool.bm25).max(axis=1, initial=0)
    unit = round(float(tops.mean()), 2) or 1.0  # BM25 points of a usual best passage; says nothing of right and wrong
    tried = list(dict.fromkeys([*grid(pool.depth, unit), *([also] if also else [])]))
    ranks = np.stack([_ranks(fusion.scores(pool, each), right) for each in tried])
    return Measured(tried, ranks, np.where(ranks <= DEPTH, 1 / ranks, 0.0), folds)


def choose(measured: Measured, among: "np.ndarray") -> tuple[int, str]:
    """Row of the grid with the highest mean reciprocal rank on the questions `among` (a mask), and why.

    The default stays when the gain is within its own standard error: settings should not move with every new question."""
    import numpy as np

    scored = measured.reciprocal[:, among]
    top = int(scored.mean(axis=1).argmax())
    gains = scored[top] - scored[0]
    error = float(gains.std(ddof=1) / np.sqrt(gains.size))
    if gains.mean() <= error:
        return 0, f"the default: the best of the grid gains {gains.mean():.4f}, within its standard error of {error:.4f}"
    return top, f"best of {len(measured.grid)} settings, {gains.mean():.4f} above the default (standard error {error:.4f})"


def cross_validated(measured: Measured) -> "np.ndarray":
    """Rank of each question under the settings that were chosen without its fold: what to expect of the procedure."""
    import numpy as np

    ranks = np.empty(measured.ranks.shape[1])
    for fold in np.unique(measured.folds):
        chosen, _ = choose(measured, measured.folds != fold)
        ranks[measured.folds == fold] = measured.ranks[chosen, measured.folds == fold]
    return ranks


def folds_of(clusters: Sequence[str]) -> "np.ndarray":
    """int [questions]: at most `FOLDS` parts of about the same size; a cluster is in one of them."""
    import numpy as np

    names = sorted(set(clusters), key=lambda name: (-clusters.count(name), sha256(name.encode()).hexdigest()))
    sizes = [0] * min(FOLDS, len(names))
    place: dict[str, int] = {}
    for name in names:
        place[name] = sizes.index(min(sizes))
        sizes[place[name]] += clusters.count(name)
    return np.array([place[name] for name in clusters])


def candidates_of(retriever: Retriever, asked: list[TuningQuestion], depth: int) -> tuple[Pool, "np.ndarray"]:
    """One pool of all questions, and which of its columns are of a right document. Texts are let go batch by batch."""
    import numpy as np

    pools, rights = [], []
    rest = iter(asked)
    for _, pool, candidates in retriever.candidates([each.question for each in asked], depth, EVERYTHING):
        right = np.zeros((len(candidates), 2 * depth), bool)
        for row, known in enumerate(candidates):
            documents = next(rest).documents
            right[row, : len(known)] = [found.point.doc_id in documents for found in known]
        missing = ((0, 0), (0, 2 * depth - pool.dense.shape[1]))
        pools.append([np.pad(scores, missing, constant_values=np.nan) for scores in (pool.dense, pool.bm25)])
        rights.append(right)
    dense, bm25 = (np.concatenate(parts) for parts in zip(*pools, strict=True))
    return Pool(dense, bm25, depth), np.concatenate(rights)


def _ranks(scores: "np.ndarray", right: "np.ndarray") -> "np.ndarray":
    """Place of the first right candidate, inf where there is none; of equal scores the one further left comes first."""
    import numpy as np

    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    first = (right & (scores == best)).argmax(axis=1)[:, None]
    ahead = (scores > best) | ((scores == best) & (np.arange(scores.shape[1]) < first))
    return np.where(np.isfinite(best[:, 0]), 1 + ahead.sum(axis=1), np.inf)


def _summary(ranks: "np.ndarray", folds: "np.ndarray") -> dict[str, float]:
    import numpy as np

    reciprocal = np.where(ranks <= DEPTH, 1 / ranks, 0.0)
    means = [reciprocal[folds == fold].mean() for fold in np.unique(folds)]
    return {
        "hit_at_1": round(float((ranks <= 1).mean()), 4),
        "hit_at_5": round(float((ranks <= 5).mean()), 4),
        "mrr_at_10": round(float(reciprocal.mean()), 4),
        "standard_error": round(float(np.std(means, ddof=1) / len(means) ** 0.5), 4),
    }


def _facts(measured: Measured, ranks: "np.ndarray") -> dict[str, Any]:
    """What to expect (`ranks` of the settings, each question judged by a choice made without it), beside the usual ways."""
    depth = measured.grid[0].candidates
    plain = {"dense": Fusion("dense", 1.0), "bm25": Fusion("bm25", 0.0), "rrf": RRF, "default": measured.grid[0]}
    rows = {name: measured.grid.index(replace(each, candidates=depth)) for name, each in plain.items()}
    usual = {name: _summary(measured.ranks[row], measured.folds)["mrr_at_10"] for name, row in rows.items()}
    return {
        "questions": ranks.size,
        "not_among_candidates": int((measured.ranks.min(axis=0) == float("inf")).sum()),
        **{f"expected_{name}": value for name, value in _summary(ranks, measured.folds).items()},
        **{f"mrr_at_10_{name}": value for name, value in usual.items()},
    }


def _rows(measured: Measured) -> list[dict[str, Any]]:
    tried = zip(measured.grid, measured.ranks, strict=True)
    return [{**asdict(each), **_summary(ranks, measured.folds)} for each, ranks in tried]


def _write(draft: Draft, settings: Settings, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    said = asdict(settings.fusion)
    rows = [{**row, "chosen": said == {name: row[name] for name in said}} for row in rows]
    draft.table("retrieval_settings", pa.Table.from_pylist(sorted(rows, key=lambda row: -row["mrr_at_10"]), _schema()))
    draft.json("retrieval_settings", settings.described())
    if rows:
        tuning_plot.draw(rows, settings.fusion, draft.file("tuning.png", data=False))
    draft.facts |= {name: said[name] for name in ("method", "normalisation", "dense_weight")}


def _schema():
    import pyarrow as pa

    words = [("method", pa.string()), ("dense_weight", pa.float64()), ("normalisation", pa.string())]
    numbers = [("bm25_unit", pa.float64()), ("rrf_k", pa.int64()), ("candidates", pa.int64())]
    scored = [(name, pa.float64()) for name in ("hit_at_1", "hit_at_5", "mrr_at_10", "standard_error")]
    return pa.schema([*words, *numbers, *scored, ("chosen", pa.bool_())])
