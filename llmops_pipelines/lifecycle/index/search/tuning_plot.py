"""The figure on the asset retrieval_settings: how well each mix of dense and BM25 search found the right document."""

from pathlib import Path
from typing import Any

from .fusion import Fusion

CURVES = {
    "linear": ("sum of scores", "#1f6feb"),
    "deviations": ("sum, by deviations (DBSF)", "#8250df"),
    "minmax": ("sum, scaled 0 to 1", "#2f9e6e"),
}
GREY, RED = "#9aa5b1", "#d1242f"


def draw(rows: list[dict[str, Any]], chosen: Fusion, path: Path) -> None:
    """Write a PNG 900 pixels wide: MRR@10 over the dense weight, the band one standard error over folds; each way that
    mixes no scores as a line across."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for kind, (label, colour) in CURVES.items():
        curve = sorted(
            (row["dense_weight"], row["mrr_at_10"], row["standard_error"])
            for row in rows
            if row["method"] in ("dense", "bm25") or (row["method"] == "hybrid" and row["normalisation"] == kind)
        )
        weights, means, errors = zip(*curve, strict=True)
        axes.plot(weights, means, color=colour, label=label)
        if kind == chosen.normalisation:
            below, above = ([m + sign * e for m, e in zip(means, errors, strict=True)] for sign in (-1, 1))
            axes.fill_between(weights, below, above, color=colour, alpha=0.12, linewidth=0)
    for label, style, row in _lines(rows):
        axes.axhline(row["mrr_at_10"], color=GREY, linestyle=style, linewidth=1.2)
        axes.text(1.01, row["mrr_at_10"], f"{label} {row['mrr_at_10']:.3f}", va="center", fontsize=9)
    for row in rows:
        if row["chosen"]:
            axes.plot(row["dense_weight"], row["mrr_at_10"], "o", color=RED, label=f"chosen, {row['mrr_at_10']:.3f}")
    axes.set_xlim(0, 1)
    axes.set_xlabel("weight of dense search; the rest is BM25")
    axes.set_ylabel("MRR@10")
    axes.set_title("What finds the right document", loc="left", fontweight="bold")
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _lines(rows: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """The ways that have no curve: each ranking alone, and the best and the usual reciprocal rank fusion."""
    ranked = [row for row in rows if row["method"] == "rrf"]
    usual = next(row for row in ranked if row["rrf_k"] == 60 and row["dense_weight"] == 0.5)
    alone = {row["method"]: row for row in rows if row["method"] in ("dense", "bm25")}
    return [("dense", "--", alone["dense"]), ("BM25", "--", alone["bm25"]), ("RRF", ":", usual)]
