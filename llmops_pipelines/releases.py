"""The `llmops release` commands: look at releases, approve, promote and roll them back. Thin: they show first and move with
`--yes`; what moving means is `lifecycle/release`.
"""

import getpass
import json
import time
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from llmops_pipelines.config.gate import STAGES, Stage
from llmops_pipelines.terminal import Name, complain, one_sentence, out, product_of

app = typer.Typer(help="Look at releases and move them. Example: llmops release list quickstart", no_args_is_help=True)
PHASES = ("approved", "alias set", "verified", "end")
Epoch = Annotated[int, typer.Argument(metavar="RELEASE", help="Number of a release", min=1)]
In = Annotated[str, typer.Option("--stage", help="dev, staging or production")]
Json = Annotated[bool, typer.Option("--json", help="For programs")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this, only show what would happen")]
By = Annotated[str, typer.Option("--by", help="Who decided; without it, the user of this machine")]
Why = Annotated[str, typer.Option("--why", help="The reason, for whoever asks later")]


def _moves(name: str):
    """(the pipeline, what moves its releases)."""
    from llmops_pipelines.lifecycle.release.moves import Moves
    from llmops_pipelines.lifecycle.release.registry import Registry
    from llmops_pipelines.resources.home import Home
    from llmops_pipelines.resources.tracking import Tracking

    product = product_of(name)
    home = Home.from_environment(product.project)
    tracking = Tracking.from_environment(home)
    return product, Moves(home.lake(name), home.history(name), lambda: Registry(tracking.client(), name))


def _stage(word: str) -> Stage:
    if word in STAGES:
        return word
    complain(f"stage: got {word!r}; expected one of {', '.join(STAGES)}")
    raise typer.Exit(2)


def who(by: str) -> str:
    try:
        return by or getpass.getuser()
    except OSError:  # a container whose user has no name
        complain("--by: this machine does not say who you are; say it with --by NAME")
        raise typer.Exit(2) from None


@app.command("list")
def list_releases(name: Name, stage: In = "", as_json: Json = False) -> None:
    """List the releases of a pipeline, newest first; those that are live carry a mark.

    Example: llmops release list quickstart
    """
    with one_sentence():
        _, moves = _moves(name)
        wanted = _stage(stage) if stage else None
        known = [each for each in reversed(moves.history.records()) if wanted in (None, each.stage)]
        live = {each.epoch for stage in STAGES if (each := moves.history.live(stage))}
    if as_json:
        typer.echo(json.dumps([_row(each) | {"live": each.epoch in live} for each in known], indent=1))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "release", "stage", "phase", "when", "by", "what"):
        table.add_column(column, no_wrap=column != "by")
    table.add_column("scores")
    for each in known:
        row = _row(each)
        mark, when = "*" if each.epoch in live else "", row["when"][:16].replace("T", " ")
        scores = ", ".join(f"{name} {score:.3f}" for name, score in each.scores.items() if not name.startswith("base_"))
        table.add_row(*map(escape, (mark, str(each.epoch), each.stage, each.phase, when, row["by"], row["what"], scores)))
    out.print(table if known else f"{name} has no release yet; make one with: llmops run {name}")


@app.command()
def show(
    name: Name,
    epoch: Annotated[int | None, typer.Argument(metavar="[RELEASE]", help="Its number; without it the live one")] = None,
    stage: In = "production",
    card: Annotated[bool, typer.Option("--card", help="The model card, as Markdown")] = False,
    as_json: Json = False,
) -> None:
    """Show one release: what it is made of, who moved it, when, and on what evidence.

    Example: llmops release show quickstart 3
    """
    from llmops_pipelines.lifecycle.lake import Refusal
    from llmops_pipelines.lifecycle.release.card import model_card

    with one_sentence():
        _, moves = _moves(name)
        release = moves.history.record(epoch) if epoch else moves.history.live(_stage(stage))
        if release is None:
            raise Refusal(f"{name} has no release in {stage} yet; make one with: llmops run {name}")
    if as_json:
        typer.echo(json.dumps(asdict(release) | {"phase": release.phase, "bundle": release.bundle}, indent=1))
    elif card:
        typer.echo(model_card(release))
    else:
        _tell(release)


@app.command()
def approve(name: Name, epoch: Epoch, why: Why = "", by: By = "", yes: Yes = False) -> None:
    """Let a release go on that waits for a person.

    Example: llmops release approve quickstart 4 --why "read the card" --yes
    """
    from llmops_pipelines.lifecycle.release.moves import waits

    with one_sentence():
        _, moves = _moves(name)
        if not yes:
            _tell(waits(moves.history.record(epoch)))
            _dry(f"release {epoch} would go to {moves.history.record(epoch).stage}")
            return
        done = moves.approve(epoch, who(by), why)
    out.print(f"release {done.epoch} is {done.phase}: it is live in {done.stage} as model version {done.model_version}")


@app.command()
def promote(
    name: Name,
    epoch: Epoch,
    to: Annotated[str, typer.Option("--to", help="dev, staging or production")],
    why: Why = "",
    by: By = "",
    yes: Yes = False,
) -> None:
    """Promote a release into a stage, if the gate of that stage lets it pass.

    Example: llmops release promote quickstart 4 --to staging --yes
    """
    from llmops_pipelines.config.catalogue import load_catalogue
    from llmops_pipelines.lifecycle.release.promotion import advance, carry_out

    with one_sentence():
        stage = _stage(to)
        product, moves = _moves(name)
        if yes:
            _said(moves.resume())
        approved = load_catalogue(product.project)
        plan = advance(moves, epoch, stage, product.pipeline.gate, approved, who(by), why)
        for reason in plan.verdict.reasons:
            out.print(f"  {reason}", markup=False, soft_wrap=True)
        if plan.verdict.outcome != "promote":
            complain(f"the gate of {stage} says {plan.verdict.outcome}; nothing was moved")
            raise typer.Exit(1)
        if not yes:
            replaced = f"instead of release {plan.live.epoch}" if plan.live else "as its first release"
            _dry(f"release {epoch} would go to {stage}, {replaced}")
            return
        done = carry_out(moves, plan)
    if done.phase == "awaiting approval":
        out.print(f"release {done.epoch} waits for approval: llmops release approve {name} {done.epoch}")
    else:
        out.print(f"release {done.epoch} is live in {stage}: the bundle of release {epoch}")


@app.command()
def rollback(
    name: Name,
    why: Annotated[str, typer.Option("--why", help="The reason, for whoever asks later")],
    to: Annotated[int | None, typer.Option("--to", help="Release to go back to; without it the one before", min=1)] = None,
    stage: In = "production",
    by: By = "",
    yes: Yes = False,
) -> None:
    """Have an older release answer again: its model, index version, prompt and settings together, nothing rebuilt.

    Example: llmops release rollback quickstart --why "wrong prices" --yes
    """
    with one_sentence():
        where = _stage(stage)
        _, moves = _moves(name)
        target = moves.returnable(to or moves.before(where), where)
        live = moves.history.live(where)
        if not yes:
            _tell(target)
            _dry(f"release {target.epoch} would answer in {stage} again, instead of release {live.epoch}")
            return
        started = time.monotonic()
        done, behind = moves.rollback(target.epoch, who(by), why, where)
    out.print(
        f"release {done.epoch} is live in {stage}: the bundle of release {target.epoch} ({time.monotonic() - started:.1f} s)"
    )
    if behind:
        out.print(behind, style="yellow", markup=False, soft_wrap=True)


@app.command()
def recover(name: Name, yes: Yes = False) -> None:
    """Finish or abort what killed promotions left behind, and make MLflow follow the history.

    Example: llmops release recover quickstart --yes
    """
    with one_sentence():
        _, moves = _moves(name)
        if yes:
            _said(moves.recover() or ["nothing to recover: MLflow agrees with the history"])
            return
        odd = [*(f"release {each.epoch} is {each.phase}" for each in moves.history.unfinished()), *moves.differences()]
        _said(odd or ["nothing to recover: MLflow agrees with the history"])
        if odd:
            _dry("what a killed process left would be finished or aborted, and MLflow's aliases follow the history")


def _row(release) -> dict[str, Any]:
    approved = release.marks.get("approved")
    by = f"{release.actor}, approved by {approved['actor']}" if approved else release.actor
    again = f" of release {release.moves}" if release.moves else ""
    return {
        "release": release.epoch,
        "stage": release.stage,
        "phase": release.phase,
        "when": release.promoted_at or release.prepared_at or "not recorded",
        "by": by or "not recorded",
        "what": f"{release.kind}{again}",
        "why": release.why,
        "candidate": release.candidate["spec"]["name"] if release.candidate else "",
        "bundle": release.bundle,
        "model_version": release.model_version,
        "scores": release.scores,
    }


def _tell(release) -> None:
    row = _row(release)
    out.print(f"[bold]release {release.epoch} of {escape(release.pipeline)}[/bold]  {release.stage}, {release.phase}")
    for label in ("when", "by", "what", "why", "candidate", "model_version"):
        out.print(f"  {label.replace('_', ' '):<14} {row[label] or '-'}", markup=False, soft_wrap=True)
    for phase, mark in ((phase, release.marks[phase]) for phase in PHASES if phase in release.marks):
        said = f"{mark.get('outcome', phase)} at {mark['at']}" + (f": {mark['why']}" if mark.get("why") else "")
        out.print(f"  {'':<14} {said}", markup=False, soft_wrap=True)
    for metric, score in release.scores.items():
        out.print(f"  {metric:<22} {score:.3f}")
    for role, part in sorted(release.parts.items()):
        out.print(f"  {role:<22} {part['digest'][:12]}  [dim]{escape(release.asset(role))}[/dim]")
    for reason in release.reasons:
        out.print(f"  {reason}", markup=False, soft_wrap=True)


def _said(sentences: list[str]) -> None:
    for sentence in sentences:
        out.print(sentence, markup=False, soft_wrap=True)


def _dry(what: str) -> None:
    out.print(f"\nNothing was moved: {what}. To do it, say it again with --yes.", style="yellow", markup=False, soft_wrap=True)
