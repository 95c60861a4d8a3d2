"""The figure on the asset checkpoint: the loss as it fell, and the learning rate beside it."""

from pathlib import Path
from typing import Any


def draw(log: list[dict[str, Any]], path: Path) -> None:
    """Write a PNG 900 pixels wide from rows of step, loss and learning_rate. A loss that was no number leaves a gap."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    loss = figure.subplots()
    steps = [row["step"] for row in log]
    loss.plot(steps, [float("nan") if row["loss"] is None else row["loss"] for row in log], color="#1f6feb")
    loss.set(xlabel="step", ylabel="loss on the completions", ylim=(0, None))
    rate = loss.twinx()
    rate.plot(steps, [row["learning_rate"] for row in log], color="#9aa5b1", linestyle="--")
    rate.set(ylabel="learning rate (dashed)", ylim=(0, None))
    loss.spines["top"].set_visible(False)
    rate.spines["top"].set_visible(False)
    figure.savefig(path)
