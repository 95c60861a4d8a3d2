"""The stage `search`: tries settings of a recipe, trial by trial, and says which were best. A trial is one whole recipe.

How trials are proposed and remembered is in `trials.py`, giving one up in the middle in `pruning.py`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ...config.words import Words
from ..lake import Draft, Lake, Version
from ..lake.digests import file_digest
from . import search_plot
from .refusals import TrainingError
from .trials import Measure, R, Study, TrainOne, Trial

if TYPE_CHECKING:
    from ...config.search import Range, Search
    from .work import Tracking

CODE = "search-1"
Told = Callable[[Trial], None]


def search(
    lake: Lake,
    recipe: Words,
    words: "Search",
    parents: Sequence[Version],
    train_one: TrainOne,
    measure: Measure,
    home: Path,
    project: Path,
    telling: Callable[[str], Told] = lambda fingerprint: lambda trial: None,
    name: str = "search",
) -> Version:
    """Asset `name`: table `trials`, json `search` with the best, `best.yaml` (the recipe with its values), a figure.

    `train_one(recipe, watch)` returns the version that `watch(run)` trained, `measure(version)` its value (the more the
    better); both must depend on nothing but the recipe and `parents`. The first trial is the recipe as it is, if it lies
    within the ranges. A search that was killed goes on where it was: ended trials are not run again, the interrupted one
    resumes. What `telling(fingerprint)` gives hears of each ended trial, also again after a restart. Raises `TrainingError`
    when a range does not fit the recipe, or no trial succeeds.
    """
    for parameters in _corners(words):
        applied(recipe, parameters, project)

    def write(draft: Draft) -> None:
        told = telling(draft.fingerprint)
        path = home / "search" / f"{draft.fingerprint[:32]}.db"
        with Study.open(path, recipe, words) as study:
            for trial in study.ended():
                told(trial)
            while study.goes_on():
                told(study.next(lambda parameters: applied(recipe, parameters, project), train_one, measure))
            trials = study.ended()
        if all(trial.state != "complete" for trial in trials):
            path.unlink()  # what all of them met may be gone the next time
            raise TrainingError(f"no trial of {len(trials)} succeeded; the first one: {trials[0].reason or trials[0].state}")
        _write(draft, trials, recipe, words, project)

    # save_every decides how much a kill costs, and the base counts as a parent
    said = recipe.model_dump(mode="json", exclude={"search", "save_every", "base"})
    config = {"recipe": {word: _content(value, project) for word, value in said.items()}, "search": words}
    return lake.once(name, code=CODE, config=config, parents=parents, write=write)


def applied(recipe: R, parameters: dict[str, Any], project: Path) -> R:
    """The recipe with these values in place of its own. Raises `TrainingError` naming a setting that it does not have."""
    said = recipe.model_dump(mode="json", exclude_unset=True, exclude={"search"})
    for name, value in parameters.items():
        section, *_ = place = name.split(".")
        at = said
        for part in place[:-1]:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise TrainingError(f"search.parameters.{name}: {section} is a single value; write its name alone")
        at[place[-1]] = value
    try:
        return type(recipe).model_validate(said, context={"project": project})
    except ValidationError as error:
        found = error.errors()[0]
        wrong = ".".join(map(str, found["loc"])) or "recipe"
        shown = ", ".join(f"{name}: {value}" for name, value in parameters.items())
        raise TrainingError(
            f"search.parameters: {wrong} is refused by the recipe ({found['msg']}) with {shown}; change the name or the range"
        ) from error


def nested_runs(tracking: "Tracking") -> Told:
    """A listener that makes an MLflow run below the search's own for each trial, once."""

    def told(trial: Trial) -> None:
        from mlflow import MlflowClient

        client = MlflowClient(tracking.uri)
        experiment = client.get_run(tracking.run_id).info.experiment_id
        tags = {"mlflow.parentRunId": tracking.run_id, "search/trial": str(trial.number)}
        mine = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        known = client.search_runs([experiment], mine, max_results=1)
        if known and known[0].info.status != "RUNNING":
            return
        made = known[0] if known else client.create_run(experiment, run_name=f"trial {trial.number}", tags=tags)
        run = made.info.run_id
        for key, value in trial.parameters.items():
            client.log_param(run, key, value)
        for step, loss in trial.losses.items():
            client.log_metric(run, "loss", loss, step=step)
        if trial.value is not None:
            client.log_metric(run, "value", trial.value)
        client.set_tag(run, "search/state", trial.state)
        client.set_terminated(run, {"complete": "FINISHED", "given_up": "KILLED"}.get(trial.state, "FAILED"))

    return told


def _content(value: Any, project: Path) -> Any:
    """What a word means: for the path of a file, its content."""
    return file_digest(project / value) if isinstance(value, str) and (project / value).is_file() else value


def _corners(words: "Search") -> list[dict[str, Any]]:
    """Parameters at their extremes, one after the other: what the recipe refuses is refused before anything is trained."""
    extremes = {
        name: each.choices or [_number(each, each.low), _number(each, each.high)] for name, each in words.parameters.items()
    }
    first = {name: values[0] for name, values in extremes.items()}
    return [{**first, name: value} for name, values in extremes.items() for value in values]


def _number(each: "Range", value: float | None) -> Any:
    return int(value) if each.whole and value is not None else value


def _write(draft: Draft, trials: list[Trial], recipe: Words, words: "Search", project: Path) -> None:
    import pyarrow as pa
    import yaml

    complete = [trial for trial in trials if trial.state == "complete"]
    best = max(complete, key=lambda trial: trial.value)
    chosen = applied(recipe, best.parameters, project).model_dump(mode="json", exclude_unset=True)
    draft.file("best.yaml").write_text(yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True), "utf-8")
    draft.json("search", {"best": _plain(best), "trials": len(trials)})
    columns = [("number", pa.int64()), ("state", pa.string()), ("value", pa.float64()), ("steps", pa.int64())]
    schema = pa.schema([*columns, ("checkpoint", pa.string()), ("reason", pa.string()), ("parameters", pa.string())])
    rows = [{**_plain(trial), "parameters": json.dumps(trial.parameters, sort_keys=True)} for trial in trials]
    draft.table("trials", pa.Table.from_pylist(rows, schema))
    losses = [(trial.number, step, loss) for trial in trials for step, loss in trial.losses.items()]
    names = ("number", "step", "loss")
    draft.table("losses", pa.table({name: [row[n] for row in losses] for n, name in enumerate(names)}))
    search_plot.draw(trials, draft.file("trials.png", data=False))
    draft.facts |= {
        "trials": len(trials),
        "complete": len(complete),
        **{state: sum(trial.state == state for trial in trials) for state in ("given_up", "failed")},
        "best_trial": best.number,
        "best_value": best.value,
        "first_trial_value": trials[0].value if trials[0].value is not None else trials[0].state,
        **{f"best_{name}": value for name, value in best.parameters.items()},
        "seconds": round(sum(trial.seconds for trial in trials), 1),
        **({"ended_by_minutes": len(trials) < words.trials} if words.minutes else {}),
    }


def _plain(trial: Trial) -> dict[str, Any]:
    """What of a trial is data: how long it took and its losses are kept elsewhere."""
    return {name: value for name, value in asdict(trial).items() if name not in ("losses", "seconds")}
