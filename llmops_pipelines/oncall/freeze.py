"""`llmops freeze` and `llmops unfreeze`: a person stops a pipeline's automation, with a name and a reason, or lets it go on.

They need no pipeline file that can be read: a broken one is a good moment to freeze.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_pipelines.releases import By, who
from llmops_pipelines.terminal import Name, complain, one_sentence, out

if TYPE_CHECKING:
    from llmops_pipelines.resources.freeze import Freeze
    from llmops_pipelines.resources.home import Home

CHECK = "automation_is_not_frozen"  # of the asset `release`
Why = Annotated[str, typer.Option("--why", help="The reason; every tick that is skipped shows it")]


def freeze(name: Name, why: Why, by: By = "") -> None:
    """Stop the automation of a pipeline: schedules and sensors skip, and what they have started releases nothing.

    It goes on answering, alerts go on, and runs that a person starts work.

    Example: llmops freeze quickstart --why "wrong prices since Tuesday"
    """
    from llmops_pipelines.resources.freeze import freeze as stop

    if not why.strip():
        complain('--why: it is empty; say why, such as --why "wrong prices since Tuesday"')
        raise typer.Exit(2)
    with one_sentence():
        home, actor = _home(name), who(by)
        begun = stop(home, name, actor, " ".join(why.split()))
        _show_in_dagster(home, name, begun)
    out.print(f"{name} is {begun}", markup=False, soft_wrap=True)
    out.print(f"It goes on answering. To let its automation go on: llmops unfreeze {name}", markup=False, soft_wrap=True)


def unfreeze(name: Name, by: By = "") -> None:
    """Let the automation of a pipeline go on; what changed meanwhile is taken up by the next ticks.

    Example: llmops unfreeze quickstart
    """
    from llmops_pipelines.resources.freeze import unfreeze as let_go

    with one_sentence():
        home, actor = _home(name), who(by)
        ended = let_go(home, name, actor)
        if ended:
            _show_in_dagster(home, name, None)
    said = f"{name} is not frozen any more; it was {ended} (since {ended.at})" if ended else f"{name} was not frozen"
    out.print(said, markup=False, soft_wrap=True)


def _home(name: str) -> "Home":
    from llmops_pipelines.oncall.place import Place
    from llmops_pipelines.resources.home import Home

    return Home.from_environment(Place.of(name).project)


def _show_in_dagster(home: "Home", name: str, found: "Freeze | None") -> None:
    """Make the check of the release say it now, without waiting for a run. What counts is the file, so a failure here is told
    and nothing else."""
    folder = Path(os.environ.get("DAGSTER_HOME") or home.folder / "dagster")
    if not (folder / "dagster.yaml").is_file():
        return  # nothing was ever run here
    import dagster as dg

    said = {"frozen": str(found), "since": found.at} if found else {}
    key, warn = dg.AssetKey([name, "release"]), dg.AssetCheckSeverity.WARN
    verdict = dg.AssetCheckEvaluation(asset_key=key, check_name=CHECK, passed=found is None, severity=warn, metadata=said)
    try:
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            instance.report_runless_asset_event(verdict)
    except Exception as error:  # a storage of any kind, in any state
        complain(f"Dagster's UI does not show it yet ({type(error).__name__}); ticks and promotions heed it all the same")
