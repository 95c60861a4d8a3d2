"""Runs a job of one pipeline in this process, tells what happens while it happens, and sums up where the product stands."""

import json
import logging
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llmops_pipelines.assets.product import Product
from llmops_pipelines.definitions import graph, resources
from llmops_pipelines.lifecycle.lake import Refusal
from llmops_pipelines.resources.freeze import frozen
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.instance import PROCESS, dagster_home, end_dead_runs, this_process

BY_SOURCE = ("raw_documents", "parsed_documents")
BY_CANDIDATE = ("answers", "eval_scores")
STAGES = {  # asset -> facts that say what is in it
    "raw_documents": ("files",),
    "parsed_documents": ("documents", "dropped"),
    "documents": ("indexed", "skipped", "quarantined"),
    "chunks": ("chunks",),
    "embeddings": ("texts",),
    "index": ("points", "engine"),
    "corpus_profile": ("characters", "mean_characters"),
    "drift_report": ("outcome",),
    "eval_questions": ("questions", "answerable"),
    "training_examples": ("examples",),
    "base_model": ("parameters",),
    "checkpoint": ("steps", "loss_last", "engine"),
    "answers": ("questions", "refused"),
    "eval_scores": ("token_f1", "exact_match", "hit_at_5"),
    "comparison": ("best", "chosen"),
    "release": ("outcome", "epoch", "model_version"),
    "regression": ("outcome",),
}
WORK = {  # asset -> facts that say what a run had to do for it
    "raw_documents": ("added", "changed", "removed"),
    "parsed_documents": ("parsed", "reused_parsed"),
    "documents": ("indexed", "compared"),
    "chunks": ("cut", "reused_cut"),
    "embeddings": ("embedded", "reused_embedded"),
    "index": ("upserted", "deleted", "kept"),
    "drift_report": ("outcome",),
    "checkpoint": ("examples", "steps", "seconds"),
    "answers": ("generated", "reused"),
    "eval_scores": ("token_f1", "coverage"),
    "comparison": ("best", "chosen"),
    "release": ("outcome",),
    "regression": ("outcome",),
}


@dataclass
class Follower(logging.Handler):
    """Prints one line per finished step, failed check and log line of a running job."""

    out: Console
    started: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(logging.DEBUG)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        event, about = getattr(record, "dagster_event", None), getattr(record, "dagster_meta", {})
        step = (about.get("step_key") or "").partition("__")[2]
        if event is None:
            if record.levelno < logging.ERROR:  # errors come as events; the rest is about steps that will not run
                self.out.print(f"    {about.get('orig_message', '')}", style="dim", markup=False, soft_wrap=True)
        elif event.event_type_value == "STEP_START":
            self.started[step] = time.monotonic()
        elif event.event_type_value == "ASSET_MATERIALIZATION":
            materialized = event.step_materialization_data.materialization
            seen = {name: entry.value for name, entry in materialized.metadata.items()}
            asset = f"{step} [{materialized.partition}]" if materialized.partition else step
            seconds = time.monotonic() - self.started.pop(step) if step in self.started else None  # once for all partitions
            work, _, reason = seen.get("work", "").partition(": ")
            if work == "not done":
                return
            mark = {"unchanged": "=", "failed": "x"}.get(work, "+")
            done = told(seen, WORK.get(step, ())) or "done"
            line = f"  {mark} {asset:<32} { ({'=': 'unchanged', 'x': reason}.get(mark, done)) }"
            took = "" if seconds is None else f"  [dim]{seconds:.1f} s[/dim]"
            self.out.print(f"{escape(line)}{took}")
        elif event.event_type_value == "ASSET_CHECK_EVALUATION" and not (check := event.asset_check_evaluation_data).passed:
            why = "; ".join(f"{name}: {value.value}" for name, value in check.metadata.items())
            self.out.print(f"  ! {check.check_name} does not hold: {why}", style="yellow", markup=False)
        elif event.is_step_failure:
            self.out.print(f"  x {step} failed: {cause(event.step_failure_data.error)}", style="red", markup=False)


def cause(error: Any) -> str:
    """The sentence of a refusal; for anything else its type, its message and where the whole trace is."""
    known = {each.__name__ for each in _subclasses(Refusal)} | {"Failure"}
    while True:
        message = error.message.strip()
        kind, _, sentence = message.partition(": ")
        if kind.rpartition(".")[2] in known:
            return sentence
        if error.cause is None:
            return f"{message} (the trace is in the run's log: llmops ui)"
        error = error.cause


def _subclasses(kind: type) -> set[type]:
    return {kind}.union(*(_subclasses(each) for each in kind.__subclasses__()))


def run_jobs(product: Product, jobs: Iterable[str], out: Console) -> bool:
    """Run `<pipeline>__<job>_job` one after the other until one fails. Returns whether all succeeded."""
    return all(run_job(product, job, out) for job in jobs)


def run_job(product: Product, job: str, out: Console, only: Sequence[str] = ()) -> bool:
    """Run `<pipeline>__<job>_job`, or `only` some of its assets, to its end, recorded in Dagster's instance.

    Returns whether every step succeeded.
    """

    @dg.logger
    def console(_) -> logging.Logger:
        logger = logging.Logger("llmops")
        logger.addHandler(Follower(out))
        return logger

    # Dagster's Pipes and job selections use its own preview and beta parts; a user can do nothing about it.
    for text in ("Function `PipesMessageReader.expected_writer_count`", "Parameter `include_sources`"):
        warnings.filterwarnings("ignore", text)
    home = Home.from_environment(product.project)
    dagster_home(home, product.project)
    definitions = graph([product], resources(product.project), loggers={"console": console})
    with dg.DagsterInstance.get() as instance:
        out.print(f"[bold]{product.name}[/bold]: {job}")
        for run in end_dead_runs(instance):
            out.print(f"  ! run {run} was killed; it is marked as failed, and this run goes on from what it had finished")
        started = time.monotonic()
        chosen = definitions.resolve_job_def(f"{product.name}__{job}_job")
        partitions = product.every_candidate(instance) if job == "retrain" else product.every_source(instance)
        result = chosen.execute_in_process(
            instance=instance,
            raise_on_error=False,
            asset_selection=[product.key(asset) for asset in only] or None,
            run_config={"loggers": {"console": {}}},
            tags={PROCESS: this_process(), **partitions},
        )
    failed = "[red]failed[/red]; run it again when mended, finished steps are kept"
    outcome = "[green]succeeded[/green]" if result.success else failed
    out.print(f"{job} {outcome} in {time.monotonic() - started:.0f} s\n")
    return result.success


def summary(product: Product, out: Console) -> None:
    """Where the product stands: each asset's current version, the live release, and where to look next."""
    home = Home.from_environment(product.project)
    lake = home.lake(product.name)
    table = Table("asset", "version", "what is in it", box=None, pad_edge=False, header_style="bold")
    parts = dict.fromkeys(BY_SOURCE, [source.name for source in product.pipeline.documents])
    parts |= dict.fromkeys(BY_CANDIDATE, list(product.candidates))
    for asset, facts in STAGES.items():
        for name in [f"{asset}/{part}" for part in parts[asset]] if asset in parts else [asset]:
            version = lake.current(name)
            held = told(version.facts, facts) if version else "never materialized"
            table.add_row(name, version.digest[:12] if version else "-", held)
    out.print(table)
    _release(home, product, out)
    _alerts(home.folder / "alerts" / product.name, out)
    question = "How many cars does MV Ardent carry?" if product.name == "quickstart" else "your question"
    out.print("\n[bold]Where to look next[/bold]")
    for what, command in (
        ("lineage graph, runs, plots", "llmops ui, or make ui: http://127.0.0.1:3000"),
        ("training curves and models", "llmops mlflow, or make mlflow: http://127.0.0.1:5001"),
        ("find passages", f'llmops search {product.name} "{question}"'),
        ("ask the released model", f'llmops ask {product.name} "{question}"'),
        ("this page again", f"llmops status {product.name}"),
    ):
        out.print(f"  {what:<28} {command}", markup=False, soft_wrap=True)


def told(facts: Mapping[str, Any], names: Iterable[str]) -> str:
    """Some facts as a line of words, such as "upserted 3, kept 570"."""
    return ", ".join(f"{name.replace('_', ' ')} {_number(facts[name])}" for name in names if name in facts)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _release(home: Home, product: Product, out: Console) -> None:
    live, decision = home.history(product.name).live(), home.lake(product.name).current("release")
    out.print()
    if stopped := frozen(home, product.name):
        out.print(f"{stopped}; to let it go on: llmops unfreeze {product.name}", style="yellow", markup=False, soft_wrap=True)
    if live is None:
        out.print("[yellow]No release yet.[/yellow]")
    else:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in live.scores.items())
        out.print(f"[bold]Live: release {live.epoch}[/bold], model version {live.model_version} ({scores})")
    if decision is not None and decision.facts["outcome"] != "promoted":
        out.print(f"[yellow]The newest candidate was not promoted ({decision.facts['outcome']}):[/yellow]")
    for reason in decision.facts["reasons"] if decision is not None else ():
        out.print(f"  {reason}", markup=False, soft_wrap=True)


def _alerts(folder: Path, out: Console) -> None:
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    if kept:
        newest = json.loads(kept[-1].read_text("utf-8"))
        out.print(f"\n[yellow]{len(kept)} alert(s) in {folder}; the newest:[/yellow]")
        out.print(f"  {newest['text']} (run {newest['run_id']})", markup=False, soft_wrap=True)
