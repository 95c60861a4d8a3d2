"""The `llmops` command: run a pipeline, look at it, search and ask its release. Thin: what it prints comes from the lake."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from llmops_pipelines import releases
from llmops_pipelines.oncall.at import at
from llmops_pipelines.oncall.bisect import bisect
from llmops_pipelines.oncall.blame import blame
from llmops_pipelines.oncall.diff import diff
from llmops_pipelines.oncall.doctor import doctor
from llmops_pipelines.oncall.forget import forget, restore
from llmops_pipelines.oncall.freeze import freeze, unfreeze
from llmops_pipelines.oncall.lineage import lineage
from llmops_pipelines.oncall.verify import verify
from llmops_pipelines.terminal import Name, complain, err, one_sentence, out, product_of

app = typer.Typer(
    help="Run the life of an LLM product and look into it. Example: llmops run quickstart",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(releases.app, name="release")
ON_CALL = (doctor, at, lineage, diff, bisect, blame, verify, freeze, unfreeze, forget, restore)
for command in ON_CALL:
    app.command(rich_help_panel="On call")(command)
Groups = Annotated[list[str] | None, typer.Option("--group", help="A group that you are in; may be repeated")]
Question = Annotated[str, typer.Argument(help="A question in plain words, in quotes")]
Epoch = Annotated[int | None, typer.Option("--release", help="As this release answers or answered; without it, the live one")]


def _served(name: str, epoch: int | None):
    from llmops_pipelines.lifecycle.lake import Refusal
    from llmops_pipelines.lifecycle.release.serving import Served
    from llmops_pipelines.resources.home import Home
    from llmops_pipelines.resources.secrets import Secrets
    from llmops_pipelines.resources.vector_store import VectorStore

    product = product_of(name)
    home = Home.from_environment(product.project)
    release = home.history(name).record(epoch) if epoch else home.history(name).live()
    if release is None:
        raise Refusal(f"{name} has no release yet; make one with: llmops run {name}")
    return Served(home.lake(name), release, VectorStore().connector, Secrets.from_environment(), product.project)


def _where(groups: list[str] | None):
    from llmops_pipelines.lifecycle.index import Where

    return Where(groups=frozenset(groups or ()))


def _place(hit) -> str:
    """A found passage in one line: document, score, heading, page, and a word about whom to trust."""
    doubt = "untrusted source" if hit.trust == "untrusted" else ""
    about = ", ".join(filter(None, (hit.heading or hit.title, f"page {hit.page}" if hit.page else "", doubt)))
    return f"{escape(hit.doc_id)}  {hit.score:.3f}  [dim]{escape(about)}[/dim]"


@app.command()
def run(
    name: Name,
    job: Annotated[
        str, typer.Option(help="lifecycle (all), reindex (documents to index) or retrain (datasets to release)")
    ] = "lifecycle",
) -> None:
    """Materialize the pipeline's assets; what is unchanged is not done again.

    Example: [bold]llmops run quickstart[/bold]
    """
    from llmops_pipelines.running import run_jobs, summary

    jobs = ["reindex", "retrain"] if job == "lifecycle" else [job]
    if job not in ("lifecycle", "reindex", "retrain"):
        complain(f"--job: got {job!r}; expected lifecycle, reindex or retrain")
        raise typer.Exit(2)
    with one_sentence():
        product = product_of(name)
        succeeded = run_jobs(product, jobs, out)
        summary(product, out)
    raise typer.Exit(0 if succeeded else 1)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a file in configs/recipes, without .yaml")],
    pipeline: Annotated[str, typer.Option(help="Whose examples to train on")] = "quickstart",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be trained, and what that takes")] = False,
) -> None:
    """Train one recipe on the examples of a pipeline, or show what that takes: tokens, steps, memory, what is done already.

    Example: [bold]llmops train quickstart_lora --dry-run[/bold]
    """
    from llmops_pipelines.planning import show, training_plan
    from llmops_pipelines.running import run_job

    with one_sentence():
        product = product_of(pipeline, recipe)
        if dry_run:
            show(training_plan(product, recipe), out)
            return
        succeeded = run_job(product, "retrain", out, only=product.training_of(recipe))
    raise typer.Exit(0 if succeeded else 1)


@app.command()
def status(name: Name) -> None:
    """Show the live release, each asset's current version, drift and recent alerts.

    Example: [bold]llmops status quickstart[/bold]
    """
    from llmops_pipelines.running import summary

    with one_sentence():
        summary(product_of(name), out)


@app.command()
def search(
    name: Name,
    question: Question,
    passages: Annotated[int, typer.Option(help="Passages to show", min=1)] = 5,
    group: Groups = None,
    release: Epoch = None,
) -> None:
    """Find passages in the index of the live release, or as an older one found them. Without --group only what everybody may
    see is found.

    Example: [bold]llmops search quickstart "How many cars does MV Ardent carry?"[/bold]
    """
    with one_sentence():
        served = _served(name, release)
        with err.status("searching"):
            hits = served.search(question, passages, _where(group))
        for rank, hit in enumerate(hits, start=1):
            out.print(f"[bold]{rank}.[/bold] {_place(hit)}")
            out.print(hit.text, markup=False)
            out.print()


@app.command()
def ask(name: Name, question: Question, group: Groups = None, release: Epoch = None) -> None:
    """Answer a question with the live release, or as an older one did, and cite the documents that it read.

    Example: [bold]llmops ask quickstart "How many cars does MV Ardent carry?" --release 3[/bold]
    """
    with one_sentence():
        served = _served(name, release)
        with err.status("reading"):
            reply = served.ask(question, _where(group))
        out.print(reply.answer, style="bold", markup=False)
        for hit in reply.passages:
            out.print(f"  {_place(hit)}")
        out.print(f"[dim]release {served.release.epoch}, model version {served.release.model_version}[/dim]")


@app.command()
def quarantine(name: Name) -> None:
    """List the documents that could not be used, why, and when they are tried again.

    Example: [bold]llmops quarantine quickstart[/bold]
    """
    from llmops_pipelines.upkeep import quarantined

    with one_sentence():
        quarantined(product_of(name), out)


@app.command()
def clean(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Remove it; without this, only show what would go")] = False
) -> None:
    """Remove versions, source bytes and leftovers that the pipeline's `retention` does not keep.

    Example: [bold]llmops clean quickstart[/bold]
    """
    from llmops_pipelines.upkeep import clean_up

    with one_sentence():
        clean_up(product_of(name), out, really=yes)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port of the Dagster UI")] = 3000) -> None:
    """Open the Dagster UI with its daemon (schedules and sensors) on this machine only.

    Example: [bold]llmops ui --port 3000[/bold]
    """
    from llmops_pipelines.config.loader import find_project
    from llmops_pipelines.resources.home import Home
    from llmops_pipelines.resources.instance import dagster_home

    project = find_project(Path.cwd())
    home = Home.from_environment(project)
    dagster_home(home, project)
    os.environ["LLMOPS_HOME"] = home.path
    os.chdir(project)
    where = [] if (project / "workspace.yaml").is_file() else ["--module-name", "llmops_pipelines.definitions"]
    serve = ["--host", "127.0.0.1", "--port", str(port), *where]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", "dev", *serve])


@app.command()
def mlflow(port: Annotated[int, typer.Option(help="Port of the MLflow UI")] = 5001) -> None:
    """Open the MLflow UI over the runs in this project's home, on this machine only.

    Example: [bold]llmops mlflow --port 5001[/bold]
    """
    from llmops_pipelines.config.loader import find_project
    from llmops_pipelines.resources.home import Home
    from llmops_pipelines.resources.tracking import Tracking

    tracking = Tracking.from_environment(Home.from_environment(find_project(Path.cwd())))
    tracking.client()
    serve = ["server", "--backend-store-uri", tracking.uri, "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *serve])


if __name__ == "__main__":
    app()
