"""What `llmops train RECIPE --dry-run` prints: a training plan as tables.

What a plan holds, and how it is found out, is in `lifecycle/training/plan.py`.
"""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from llmops_pipelines.assets.product import Product
    from llmops_pipelines.lifecycle.training.plan import Plan


def training_plan(product: "Product", recipe: str) -> "Plan":
    """The plan of a recipe on the examples that the pipeline has now, if it has any."""
    from llmops_pipelines.lifecycle import training
    from llmops_pipelines.lifecycle.training.machine import Machine
    from llmops_pipelines.lifecycle.training.plan import plan
    from llmops_pipelines.resources.home import Home

    home = Home.from_environment(product.project)
    lake, words = home.lake(product.name), product.recipes[recipe]
    base = training.base_model(lake, words.base, product.project, product.base_of(recipe))
    # the answers of a teacher are made when its student is trained; until then nobody knows how many are worth learning
    examples = None if words.teacher else lake.current(product.examples_of(recipe))
    name = product.checkpoint_of(recipe)
    return plan(words, base, examples, product.project, Machine.here(), lake, home.folder, name)


def show(found: "Plan", out: Console) -> None:
    """Print settings, amounts, memory and what is done already; the settings that are defaults are dimmed."""
    out.print(_settings(found))
    out.print()
    for line in _amounts(found):
        out.print(line, markup=False, highlight=False)
    out.print()
    out.print(_memory(found))
    out.print()
    for line in _verdicts(found):
        out.print(line, markup=False, highlight=False)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def _settings(found: "Plan") -> Table:
    table = _table("setting", "value", "from")
    table.columns[1].overflow = "fold"  # a digest is shown whole
    for setting in found.settings:
        value = "-" if setting.value is None else str(setting.value)
        table.add_row(setting.name, value, "recipe" if setting.given else "default", style=None if setting.given else "dim")
    return table


def _amounts(found: "Plan") -> list[str]:
    lines = [f"{found.trainable:,} trained weights, {found.world} ranks, {found.precision}"]
    if found.amount is None:
        return [*lines, "No examples yet (or those of a teacher, who has not answered): rows, tokens and steps are not known."]
    amount = found.amount
    rows = "" if amount.rows == amount.examples else f" packed into {amount.rows:,} rows"
    lines.append(f"{amount.examples:,} examples{rows}, {amount.tokens:,} tokens an epoch, the longest has {amount.longest:,}")
    lines.append(f"{amount.steps:,} steps of {amount.steps_per_epoch:,} an epoch; ended by {amount.ended_by}")
    return lines


def _memory(found: "Plan") -> Table:
    table = _table("GB per device", "weights", "gradients", "optimizer", "activations", "together")
    for each in found.memory:
        name = "without ZeRO" if each.stage == 0 else f"ZeRO-{each.stage}"
        sizes = (each.weights, each.gradients, each.optimizer, each.activations, each.total)
        mark = " (this recipe)" if each.stage == found.stage else ""
        table.add_row(name + mark, *(f"{size / 1e9:.2f}" for size in sizes), style="bold" if mark else None)
    return table


def _verdicts(found: "Plan") -> list[str]:
    have = f"{found.machine.devices} {found.machine.kind}, {found.machine.bytes_per_device / 1e9:.0f} GB each"
    verdict = "it fits" if found.fits else "it does not fit: lower batch_size, or take a higher ZeRO stage"
    lines = [f"This machine: {have}; {verdict}"]
    if any(setting.name == "budget.minutes" and setting.value for setting in found.settings):
        lines.append("budget.minutes: the result depends on how fast the machine is and cannot be made again elsewhere.")
    if found.obstacle:
        lines.append(found.obstacle)
    if found.done is None:
        return lines
    if found.done.published:
        return [*lines, f"Done already ({found.done.fingerprint[:12]}); nothing would be trained."]
    if found.done.resume_step is None:
        return [*lines, f"Not done yet ({found.done.fingerprint[:12]}); it would start from the start."]
    moved = (
        "" if found.done.resume_ranks == found.world else f", saved by {found.done.resume_ranks} ranks (universal checkpoint)"
    )
    return [*lines, f"Interrupted ({found.done.fingerprint[:12]}); it would resume after step {found.done.resume_step}{moved}."]
