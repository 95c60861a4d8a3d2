"""The figure on the asset eval_scores: both candidates with their intervals, and how well documents were found."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Summary = dict[str, dict[str, dict[str, Any]]]
LABELS = {
    "token_f1": "token F1",
    "exact_match": "exact match",
    "contains_reference": "contains answer",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "string_similarity": "string similarity",
    "similarity": "meaning (cosine)",
    "refusal_right": "refuses rightly",
    "hit_at_1": "hit@1",
    "hit_at_3": "hit@3",
    "hit_at_5": "hit@5",
    "hit_at_10": "hit@10",
    "mrr_at_10": "MRR@10",
    "ndcg_at_10": "nDCG@10",
    "context_precision": "context precision",
    "context_recall": "context recall",
}
GREY, BLUE, GREEN = "#9aa5b1", "#1f6feb", "#2f9e6e"


def draw(summary: Summary, path: Path) -> None:
    """Write a PNG 900 pixels wide. Bars are means, whiskers 95 % intervals; what was not measured has no bar."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    answers, retrieval = figure.subplots(1, 2, width_ratios=(3, 2))
    _bars(answers, summary, {"base": ("base model", GREY), "fine_tuned": ("fine-tuned", BLUE)})
    answers.set_title("Answers", loc="left", fontweight="bold")
    answers.legend(loc="lower center", bbox_to_anchor=(0.62, 1.0), ncols=2, frameon=False)
    _bars(retrieval, summary, {"retrieval": ("retrieval", GREEN)})
    retrieval.set_title("Retrieval", loc="left", fontweight="bold")
    asked = max((found["n"] for found in summary["fine_tuned"].values()), default=0)
    figure.supxlabel(f"mean over {asked} held-out questions, with 95 % bootstrap interval", fontsize=10)
    figure.savefig(path)


def _bars(axes: "Axes", summary: Summary, series: dict[str, tuple[str, str]]) -> None:
    """Horizontal bars, one group per metric, with the mean written at the end of each."""
    metrics = [metric for metric in LABELS if any(metric in summary[name] for name in series)]
    height = 0.8 / len(series)
    for place, (name, (label, colour)) in enumerate(series.items()):
        measured = [(row, summary[name][metric]) for row, metric in enumerate(metrics) if metric in summary[name]]
        measured = [(row, found) for row, found in measured if found["mean"] is not None]
        heights = [row + (place - (len(series) - 1) / 2) * height for row, _ in measured]
        means = [found["mean"] for _, found in measured]
        below = [found["mean"] - found["low"] for _, found in measured]
        above = [found["high"] - found["mean"] for _, found in measured]
        axes.barh(heights, means, height * 0.9, xerr=[below, above], color=colour, label=label, ecolor="#333", capsize=2)
        for at, (_, found) in zip(heights, measured, strict=True):
            axes.text(found["high"] + 0.02, at, f"{found['mean']:.2f}", va="center", fontsize=9)
    axes.set_yticks(range(len(metrics)), [LABELS[metric] for metric in metrics], fontsize=10)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.spines[["top", "right"]].set_visible(False)
