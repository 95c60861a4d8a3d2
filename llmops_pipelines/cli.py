"""The `llmops` command: run a pipeline, look at it, search and ask its release. Thin: what it prints comes from the lake."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

app = typer.Typer(
    help="Run the life of an LLM product and look into it. Example: llmops run quickstart",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)
Name = Annotated[str, typer.Argument(metavar="PIPELINE", help="Name of a file in configs/pipelines, without .yaml")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A group that you are in; may be repeated")]
Question = Annotated[str, typer.Argument(help="A question in plain words, in quotes")]


@contextmanager
def one_sentence() -> Iterator[None]:
    """What people can mend ends as one sentence: exit 2 for wrong settings or arguments, 1 for what stopped the work."""
    from llmops_pipelines.config.mistakes import ConfigMistakes
    from llmops_pipelines.lifecycle.lake import Refusal

    try:
        yield
    except ConfigMistakes as mistakes:
        err.print(str(mistakes), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except Refusal as refusal:
        err.print(str(refusal), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _product(name: str):
    from llmops_pipelines.config.loader import find_project, pipeline_files
    from llmops_pipelines.config.words import did_you_mean
    from llmops_pipelines.definitions import product

    project = find_project(Path.cwd())
    files = pipeline_files(project)
    if name not in files:
        folder, known = project / "configs" / "pipelines", ", ".join(files) or "none"
        reason = f"{folder}: no pipeline {name!r}; expected one of: {known}{did_you_mean(name, list(files))}"
        err.print(reason, style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    return product(name, files[name], project)


def _served(name: str):
    from llmops_pipelines.lifecycle.lake import Refusal
    from llmops_pipelines.lifecycle.release.serving import Served
    from llmops_pipelines.resources.home import Home
    from llmops_pipelines.resources.secrets import Secrets
    from llmops_pipelines.resources.vector_store import VectorStore

    product = _product(name)
    home = Home.from_environment(product.project)
    live = home.history(name).live()
    if live is None:
        raise Refusal(f"{name} has no release yet; make one with: llmops run {name}")
    return Served(home.lake(name), live, VectorStore().connector, Secrets.from_environment(), product.project)


def _where(groups: list[str] | None):
    from llmops_pipelines.lifecycle.index import Where

    return Where(groups=frozenset(groups or ()))


def _doubt(hit) -> str:
    return "untrusted source" if hit.trust == "untrusted" else ""


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
    from llmops_pipelines.running import run_job, summary

    if job not in ("lifecycle", "reindex", "retrain"):
        err.print(f"--job: got {job!r}; expected lifecycle, reindex or retrain", style="red")
        raise typer.Exit(2)
    with one_sentence():
        product = _product(name)
        succeeded = run_job(product, job, out)
        summary(product, out)
    raise typer.Exit(0 if succeeded else 1)


@app.command()
def status(name: Name) -> None:
    """Show the live release, each asset's current version, drift and recent alerts.

    Example: [bold]llmops status quickstart[/bold]
    """
    from llmops_pipelines.running import summary

    with one_sentence():
        summary(_product(name), out)


@app.command()
def search(
    name: Name,
    question: Question,
    passages: Annotated[int, typer.Option(help="Passages to show", min=1)] = 5,
    group: Groups = None,
) -> None:
    """Find passages in the index of the live release. Without --group only what everybody may see is found.

    Example: [bold]llmops search quickstart "How many cars does MV Ardent carry?"[/bold]
    """
    with one_sentence():
        served = _served(name)
        with err.status("searching"):
            hits = served.search(question, passages, _where(group))
        for rank, hit in enumerate(hits, start=1):
            place = ", ".join(filter(None, (hit.heading, f"page {hit.page}" if hit.page else "", _doubt(hit))))
            out.print(f"[bold]{escape(f'{rank}. {hit.doc_id}')}[/bold]  {hit.score:.3f}  [dim]{escape(place)}[/dim]")
            out.print(hit.text, markup=False)
            out.print()


@app.command()
def ask(name: Name, question: Question, group: Groups = None) -> None:
    """Answer a question with the champion and cite the documents that it read.

    Example: [bold]llmops ask quickstart "How many cars does MV Ardent carry?"[/bold]
    """
    with one_sentence():
        served = _served(name)
        with err.status("reading"):
            reply = served.ask(question, _where(group))
        out.print(reply.answer, style="bold", markup=False)
        for hit in reply.passages:
            place = escape(f"{hit.heading or hit.title}  (score {hit.score:.3f}) {_doubt(hit)}")
            out.print(f"  {escape(hit.doc_id)}  [dim]{place}[/dim]")
        out.print(f"[dim]release {served.release.epoch}, model version {served.release.model_version}[/dim]")


@app.command()
def quarantine(name: Name) -> None:
    """List the documents that could not be used, why, and when they are tried again.

    Example: [bold]llmops quarantine quickstart[/bold]
    """
    from llmops_pipelines.upkeep import quarantined

    with one_sentence():
        quarantined(_product(name), out)


@app.command()
def clean(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Remove it; without this, only show what would go")] = False
) -> None:
    """Remove versions, source bytes and leftovers that the pipeline's `retention` does not keep.

    Example: [bold]llmops clean quickstart[/bold]
    """
    from llmops_pipelines.upkeep import clean_up

    with one_sentence():
        clean_up(_product(name), out, really=yes)


@app.command()
def verify(name: Name) -> None:
    """Read every file of every version and compare it with its sha256.

    Example: [bold]llmops verify quickstart[/bold]
    """
    from llmops_pipelines.upkeep import verify_all

    with one_sentence():
        sound = verify_all(_product(name), out)
    raise typer.Exit(0 if sound else 1)


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
