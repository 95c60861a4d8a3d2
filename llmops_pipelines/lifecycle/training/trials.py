"""The trials of a search: optuna proposes settings and remembers in SQLite what became of them.

What a trial is worth is measured by callables; which settings exist, and what is published, belongs in `search.py`.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ...config.words import Words
from ..lake import Refusal, Version
from . import guard
from .pruning import GivenUp, Watch

if TYPE_CHECKING:
    import optuna

    from ...config.search import Range, Search

R = TypeVar("R", bound=Words)
TrainOne = Callable[[R, Watch], Version]  # trains a recipe, every process of it started through the watch
Measure = Callable[[Version], float]


@dataclass(frozen=True)
class Trial:
    """A trial that has ended. `value` is None unless it is complete, `reason` empty unless it failed."""

    number: int
    state: Literal["complete", "given_up", "failed"]
    parameters: dict[str, Any]
    value: float | None
    steps: int | None
    checkpoint: str | None
    reason: str
    losses: dict[int, float]  # step -> mean loss of the steps before it
    seconds: float


@dataclass
class Study(Generic[R]):
    """optuna's study of one search, and what of it counts: trials that a kill interrupted do not. One process at a time."""

    study: "optuna.Study"
    words: "Search"

    @classmethod
    @contextmanager
    def open(cls, path: Path, recipe: Words, words: "Search") -> "Iterator[Study[R]]":
        import optuna
        from optuna.trial import TrialState

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        lock = guard.take(path.with_suffix(".lock"))
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        try:
            study = optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)
            made = cls(study, words)
            for each in study.get_trials(states=[TrialState.RUNNING]):  # of a process that is gone
                made._tell(each.number, each.user_attrs.get("ended"))
            if not made.ended() and not study.get_trials(states=[TrialState.WAITING]) and (own := _own(recipe, words)):
                study.enqueue_trial(own)
            yield made
        finally:
            storage.remove_session()
            storage.engine.dispose()
            os.close(lock)

    def ended(self) -> list[Trial]:
        kept = [trial.user_attrs["ended"] for trial in self.study.trials if "ended" in trial.user_attrs]
        return [Trial(**{**each, "losses": {int(step): loss for step, loss in each["losses"].items()}}) for each in kept]

    def goes_on(self) -> bool:
        done = self.ended()
        late = self.words.minutes is not None and sum(trial.seconds for trial in done) >= 60 * self.words.minutes
        return len(done) < self.words.trials and not late

    def next(self, recipe: Callable[[dict], R], train_one: TrainOne, measure: Measure) -> Trial:
        import optuna

        done = self.ended()
        # Seeded by the number of trials that ended: a resumed search proposes what the undisturbed one would have
        seed = self.words.seed * 100_003 + len(done)
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.words.random_trials)
        asked = self.study.ask()
        parameters = {name: _suggested(asked, name, each) for name, each in self.words.parameters.items()}
        watch = Watch(self.words.pruner, [trial.losses for trial in done if trial.state == "complete"])
        started = time.monotonic()
        tried = self._tried(lambda: train_one(recipe(parameters), watch), watch, measure)
        trial = Trial(
            number=len(done) + 1,
            parameters=parameters,
            steps=watch.steps,
            losses=watch.losses,
            seconds=round(time.monotonic() - started, 3),
            **tried,
        )
        for step, loss in trial.losses.items():
            asked.report(-loss, step)
        asked.set_user_attr("ended", asdict(trial))  # it counts from here on, even if this process is killed now
        self._tell(asked.number, asdict(trial))
        return trial

    def _tried(self, train: Callable[[], Version], watch: Watch, measure: Measure) -> dict[str, Any]:
        """How one trial ended: state, value, checkpoint and reason."""
        nothing = {"value": None, "checkpoint": None, "reason": ""}
        try:
            version = train()
            watch.last(version)
            value = float(measure(version))
        except GivenUp:
            return {**nothing, "state": "given_up"}
        except Refusal as error:  # this recipe cannot be trained or measured; others can
            return {**nothing, "state": "given_up"} if watch.gave_up else {**nothing, "state": "failed", "reason": str(error)}
        if not isfinite(value):
            return {**nothing, "state": "failed", "reason": f"its value is {value}, which is no result"}
        return {"state": "complete", "value": value, "checkpoint": version.digest, "reason": ""}

    def _tell(self, number: int, ended: dict[str, Any] | None) -> None:
        """Close a trial for optuna. One that did not end is of no more account; the next one will propose the same."""
        from optuna.trial import TrialState

        states = {"complete": TrialState.COMPLETE, "given_up": TrialState.PRUNED}
        state = states.get(ended["state"], TrialState.FAIL) if ended else TrialState.FAIL
        self.study.tell(number, ended["value"] if ended and state == TrialState.COMPLETE else None, state)


def _own(recipe: Words, words: "Search") -> dict[str, Any] | None:
    """The recipe's own values of the searched settings, None if one lies outside its range."""
    own = {}
    for name, each in words.parameters.items():
        value: Any = recipe
        for part in name.split("."):
            value = getattr(value, part, None)
        inside = value in each.choices if each.choices else value is not None and each.low <= value <= each.high
        if not inside:
            return None
        own[name] = value
    return own


def _suggested(trial: "optuna.Trial", name: str, each: "Range") -> Any:
    if each.choices:
        return trial.suggest_categorical(name, each.choices)
    if each.whole:
        return trial.suggest_int(name, int(each.low), int(each.high), log=each.log)
    return trial.suggest_float(name, each.low, each.high, log=each.log)
