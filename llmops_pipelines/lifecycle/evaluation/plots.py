"""The figures of evaluation: one candidate's scores with intervals, and all candidates' quality against what they take."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .comparison import Standing

Summary = Mapping[str, Mapping[str, Any]]
ANSWERS = {
    "token_f1": "token F1",
    "exact_match": "exact match",
    "contains_reference": "contains answer",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "chrf": "chrF",
    "string_similarity": "string similarity",
    "similarity": "meaning (cosine)",
    "refusal_right": "refuses rightly",
    "refusal_f1": "refusal F1",
    "faithfulness": "faithfulness (judge)",
    "answer_relevancy": "answer relevancy (judge)",
    "factual_correctness": "factual correctness (judge)",
}
PASSAGES = {
    "hit_at_1": "hit@1",
    "hit_at_3": "hit@3",
    "hit_at_5": "hit@5",
    "hit_at_10": "hit@10",
    "mrr_at_10": "MRR@10",
    "ndcg_at_10": "nDCG@10",
    "map_at_10": "MAP@10",
    "recall_at_10": "recall@10",
    "document_precision": "document precision",
    "document_recall": "document recall",
    "context_precision": "context precision (judge)",
    "context_recall": "context recall (judge)",
}
BLUE, GREEN, INK = "#1f6feb", "#2f9e6e", "#333333"
COLOURS = ("#1f6feb", "#2f9e6e", "#d9480f", "#7048e8", "#c2255c", "#868e96", "#b08900", "#0b7285")  # one per candidate


def draw(candidate: str, summary: Summary, path: Path) -> None:
    """A PNG 900 pixels wide. Bars are means, whiskers 95 % intervals; what was not measured has no bar."""
    groups = [("Answers", ANSWERS, BLUE), ("Retrieval", PASSAGES, GREEN)]
    shown = [(title, {m: label for m, label in labels.items() if m in summary}, colour) for title, labels, colour in groups]
    shown = [group for group in shown if group[1]]
    figure = _figure(4.8)
    for axes, (title, labels, colour) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _bars(axes, summary, labels, colour)
        axes.set_title(title, loc="left", fontweight="bold")
    asked = max((found["n"] for found in summary.values()), default=0)
    figure.suptitle(candidate, fontweight="bold")
    figure.supxlabel(f"mean over at most {asked} held-out questions, with 95 % bootstrap interval", fontsize=10)
    figure.savefig(path)


def draw_comparison(standings: "Mapping[str, Standing]", choice: Mapping[str, Any], metric: str, path: Path) -> None:
    """Quality with its interval against time, tokens, cost and size; a panel for each of them that is known and differs. The
    chosen candidate is a star; hollow points are those that are worse than the best beyond the noise."""
    measured = {name: found for name, found in standings.items() if found.measured(metric)}
    sides = {
        "median time, ms": {name: found.spent.milliseconds_p50 for name, found in measured.items()},
        "tokens per question": {name: found.spent.tokens_per_question for name, found in measured.items()},
        "cost per question": {name: found.spent.cost_per_question for name, found in measured.items()},
        "megabytes": {name: found.megabytes for name, found in measured.items()},
    }
    known = {label: {name: value for name, value in each.items() if value is not None} for label, each in sides.items()}
    panels = {label: each for label, each in known.items() if len(set(each.values())) > 1} or {"": dict.fromkeys(measured, 0.0)}
    figure = _figure(4.6)
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, places) in zip(drawn, panels.items(), strict=True):
        for number, name in enumerate(measured):
            if name in places:
                _point(axes, name, COLOURS[number % len(COLOURS)], places[name], measured[name].summary[metric], choice)
        if places and min(places.values()) > 0 and max(places.values()) > 20 * min(places.values()):
            axes.set_xscale("log")
        axes.margins(x=0.15)
        axes.set_xlabel(title)
        axes.spines[["top", "right"]].set_visible(False)
    drawn[0].set_ylabel(f"{ANSWERS.get(metric) or PASSAGES.get(metric, metric)}, 95 % interval")
    points = {name: point for axes in drawn for point, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    if points:
        figure.legend(points.values(), points.keys(), loc="outside lower center", ncols=min(5, len(points)), frameon=False)
    figure.suptitle(f"chosen: {choice['chosen'] or 'none'}", fontweight="bold")
    figure.savefig(path)


def _figure(height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _bars(axes: "Axes", summary: Summary, labels: Mapping[str, str], colour: str) -> None:
    """Horizontal bars, with the mean written at the end of each."""
    rows = list(enumerate(summary[metric] for metric in labels))
    for row, found in rows:
        if found["mean"] is None:
            continue
        whiskers = [[found["mean"] - found["low"]], [found["high"] - found["mean"]]]
        axes.barh(row, found["mean"], 0.7, xerr=whiskers, color=colour, ecolor=INK, capsize=2)
        axes.text(found["high"] + 0.02, row, f"{found['mean']:.2f}", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), list(labels.values()), fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1.15)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.spines[["top", "right"]].set_visible(False)


def _point(axes: "Axes", name: str, colour: str, place: float, found: Mapping[str, Any], choice: Mapping[str, Any]) -> None:
    whiskers = [[found["mean"] - found["low"]], [found["high"] - found["mean"]]]
    marker, size = ("*", 16) if name == choice["chosen"] else ("o", 7)
    filled = colour if name in choice["within_noise"] else "white"
    look = {"fmt": marker, "color": colour, "markersize": size, "markerfacecolor": filled, "capsize": 3}
    axes.errorbar(place, found["mean"], whiskers, label=name, **look)
