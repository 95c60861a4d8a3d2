"""The figure on the asset search: the value of every trial in its order, and against each searched setting."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trials import Trial

SHOWN = 3  # settings
COMPLETE, GIVEN_UP, BEST = "#1f6feb", "#9aa5b1", "#d1242f"


def draw(trials: "list[Trial]", path: Path) -> None:
    """Write a PNG. Trials that were given up or failed have no value: they stand as ticks at the bottom."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(trials[0].parameters)[:SHOWN]
    figure = Figure(figsize=(3.4 * (1 + len(names)), 3.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    first, *others = figure.subplots(1, 1 + len(names), squeeze=False, sharey=True)[0]
    complete = [trial for trial in trials if trial.value is not None]
    first.plot([t.number for t in complete], [t.value for t in complete], "o", color=COMPLETE, label="complete")
    best = max(complete, key=lambda trial: trial.value)
    first.axhline(best.value, color=BEST, linewidth=1, label=f"best: trial {best.number}")
    lost = [trial.number for trial in trials if trial.value is None]
    if lost:
        first.plot(lost, [0.02] * len(lost), "|", color=GIVEN_UP, transform=first.get_xaxis_transform(), label="no value")
    first.set(xlabel="trial", ylabel="value")
    first.legend(fontsize=7)
    for axes, name in zip(others, names, strict=True):
        values = [trial.parameters[name] for trial in complete]
        axes.plot(_positions(values), [trial.value for trial in complete], "o", color=COMPLETE)
        axes.set(xlabel=name)
        if _wide(values):
            axes.set_xscale("log")
    for axes in (first, *others):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _positions(values: list[Any]) -> list[Any]:
    """Numbers as they are; anything else, booleans too, as words."""
    return values if all(type(value) in (int, float) for value in values) else [str(value) for value in values]


def _wide(values: list[Any]) -> bool:
    return all(type(value) in (int, float) and value > 0 for value in values) and max(values) > 20 * min(values)
