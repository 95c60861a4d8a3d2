"""What a recipe would do, without doing it: settings, rows, tokens, steps, memory per device, and what exists already.

Reads configuration, tokenizer and the headers of the weights; no torch. `llmops_pipelines/planning.py` prints it.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import DamagedVersion, Lake, Version
from ..lake.digests import fingerprint
from . import budget, checkpoints, rows
from .launch import CODE, work_folder
from .machine import Machine
from .memory import Memory, Model, estimates
from .settings import Settings, completions, missing_library, settings
from .truth import shapes

if TYPE_CHECKING:
    from ...config.recipe import Recipe


@dataclass(frozen=True)
class Setting:
    """One word of the recipe; `given` says whether the file holds it or it is the default."""

    name: str
    value: Any
    given: bool


@dataclass(frozen=True)
class Amount:
    """What would be trained on: `rows` after packing, `tokens` of one epoch without padding, steps as the Trainer counts."""

    examples: int
    rows: int
    tokens: int
    longest: int
    steps: int
    steps_per_epoch: int
    ended_by: str


@dataclass(frozen=True)
class Done:
    """What exists of this run: the published checkpoint, or the step that training would resume after."""

    fingerprint: str
    published: bool
    resume_step: int | None
    resume_ranks: int | None


@dataclass(frozen=True)
class Plan:
    """A run before it is started. Amount and done are None while there are no examples; `sharing` ranks use one device."""

    settings: tuple[Setting, ...]
    stage: int
    precision: str
    world: int
    sharing: int
    machine: Machine
    trainable: int
    amount: Amount | None
    memory: tuple[Memory, ...]
    done: Done | None
    obstacle: str | None

    @property
    def wanted(self) -> Memory:
        """The estimate of the stage that the recipe names."""
        return next(memory for memory in self.memory if memory.stage == self.stage)

    @property
    def fits(self) -> bool:
        return self.wanted.total * self.sharing <= self.machine.bytes_per_device


def plan(
    recipe: "Recipe",
    base: Version,
    examples: Version | None,
    project: Path,
    machine: Machine,
    lake: Lake | None = None,
    home: Path | None = None,
    name: str = "checkpoint",
) -> Plan:
    """Look at everything that `train` would. Raises `TrainingError` for what `train` would refuse before it starts."""
    chosen, folder = settings(recipe, project), Path(base.json("base_model")["folder"])
    table = None if examples is None else examples.file(f"{examples.noun}.parquet")
    lengths = None if table is None else _lengths(table, folder, chosen.recipe)
    model = Model.read(folder, shapes(folder))
    if machine.devices < recipe.ranks:
        machine = Machine.processor()  # as the training process does
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16" if recipe.method == "qlora" or machine.bf16 else "fp32"
    amount = None if lengths is None else _amount(chosen.recipe, lengths)
    in_row = recipe.max_tokens if recipe.packing or amount is None else amount.longest
    trainable = model.trainable(recipe)
    return Plan(
        settings=_told(recipe),
        stage=chosen.stage,
        precision=precision,
        world=recipe.world,
        sharing=recipe.ranks if machine.kind == "cpu" else 1,
        machine=machine,
        trainable=trainable,
        amount=amount,
        memory=estimates(model, recipe, trainable, precision, in_row),
        done=None if examples is None else _done(chosen, base, examples, lake, home, name),
        obstacle=missing_library(recipe),
    )


def _told(recipe: "Recipe") -> tuple[Setting, ...]:
    """Every word, sections taken apart, in the order of the schema."""
    told: list[Setting] = []
    for field in type(recipe).model_fields:
        value, given = getattr(recipe, field), field in recipe.model_fields_set
        if hasattr(value, "model_fields_set"):
            inner = value.model_fields_set if given else set()
            told += [Setting(f"{field}.{key}", getattr(value, key), key in inner) for key in type(value).model_fields]
        else:
            told.append(Setting(field, value, given))
    return tuple(told)


def _lengths(path: Path, folder: Path, recipe: dict[str, Any]) -> list[list[int]]:
    """Tokens of every example: one number, or of a preference pair two. Raises like the training process."""
    from tokenizers import Tokenizer

    words, found = Tokenizer.from_file(str(folder / "tokenizer.json")), rows.table(path, recipe)
    names, prompts = (found.column(column).to_pylist() for column in ("example_id", "prompt"))
    before = [len(each.ids) for each in words.encode_batch(prompts)]
    lengths: list[list[int]] = []
    for column in completions(recipe["method"]):
        answers = words.encode_batch(found.column(column).to_pylist(), add_special_tokens=False)
        learnt = [len(each.ids) for each in answers]
        lengths.append([a + b + 1 for a, b in zip(before, learnt, strict=True)])  # 1: the end mark
        rows.check(names, lengths[-1], learnt, recipe["max_tokens"])
    return [list(sides) for sides in zip(*lengths, strict=True)]


def _amount(recipe: dict[str, Any], lengths: list[list[int]]) -> Amount:
    tokens = sum(map(sum, lengths))
    packed = _bins([sides[0] for sides in lengths], recipe["max_tokens"]) if recipe["packing"] else len(lengths)
    planned = budget.length(recipe, packed, tokens)
    longest = max((max(sides) for sides in lengths), default=0)
    return Amount(len(lengths), packed, tokens, longest, planned.steps, planned.per_epoch, planned.limit)


def _bins(lengths: list[int], room: int) -> int:
    """Rows that best-fit-decreasing packing makes, as TRL's `pack_dataset` does it."""
    spaces: list[int] = []
    for size in sorted(lengths, reverse=True):
        place = bisect_left(spaces, size)
        space = spaces.pop(place) if place < len(spaces) else room
        insort(spaces, space - size)
    return len(spaces)


def _done(chosen: Settings, base: Version, examples: Version, lake: Lake | None, home: Path | None, name: str) -> Done:
    identity = fingerprint(CODE, chosen.identity, {parent.asset: parent.digest for parent in (base, examples)})
    step = ranks = None
    if home is not None:
        sealed = (work_folder(home, identity) / "checkpoints").glob("checkpoint-*")
        for path in sorted(sealed, key=checkpoints.step_of, reverse=True):
            if checkpoints.checkpoint_problem(path) is None:
                step, ranks = checkpoints.step_of(path), checkpoints.manifest(path)["ranks"]
                break
    return Done(identity, lake is not None and _published(lake, name, identity), step, ranks)


def _published(lake: Lake, name: str, identity: str) -> bool:
    try:
        lake.read(name, identity)
    except DamagedVersion:
        return False
    return True
