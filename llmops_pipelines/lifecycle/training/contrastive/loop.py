"""The steps of contrastive tuning: which texts meet in a batch, the loss, and the state that a killed run resumes from.

All randomness follows from (seed, epoch) or (seed, step), so that a resumed run needs no random state to be exact.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from ...lake import files
from .. import checkpoints
from ..refusals import TrainingError
from .encoding import Learner

if TYPE_CHECKING:
    import torch

    from ....config.embedder_recipe import EmbedderRecipe

STATE = "state.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW remembers of each weight


@dataclass(frozen=True)
class Material:
    """Token ids. Row n is a question, its right passage, and wrong ones by rank; passages are numbers into `passages`.
    Equal `texts` numbers mean equal passages, whatever they are called."""

    questions: list[list[int]]
    right: list[int]
    wrong: list[list[int]]
    passages: dict[int, list[int]]
    texts: dict[int, int]


@dataclass(frozen=True)
class Batch:
    rows: list[int]
    wrong: list[int]  # passages that are nobody's right one in particular


def steps_per_epoch(rows: int, size: int) -> int:
    """A last batch of a single row would have nothing to be told from; it is left to the next epoch's order."""
    return rows // size + (rows % size >= 2)


def batches(material: Material, words: "EmbedderRecipe", epoch: int) -> Iterator[Batch]:
    random = Random(f"{words.seed}/{epoch}")
    order = list(range(len(material.questions)))
    random.shuffle(order)
    for first in range(0, len(order), words.batch_size):
        rows = order[first : first + words.batch_size]
        if len(rows) < 2:
            return
        wrong: list[int] = []
        for row in rows:
            wrong += random.sample(material.wrong[row], min(words.negatives.per_pair, len(material.wrong[row])))
        yield Batch(rows, wrong)


def loss(learner: Learner, material: Material, batch: Batch, temperature: float) -> "torch.Tensor":
    """InfoNCE (van den Oord 2018, arXiv 1807.03748): each question must find its passage among all of the batch.

    A passage that another question of the batch brought along and that equals the right one does not count as wrong.
    """
    import torch

    right = [material.right[row] for row in batch.rows]
    numbers = right + batch.wrong
    asked = learner.vectors([material.questions[row] for row in batch.rows])
    found = learner.vectors([material.passages[number] for number in numbers])
    scores = asked @ found.T / temperature
    texts = torch.tensor([material.texts[number] for number in numbers], device=scores.device)
    same = texts[: len(right), None] == texts[None, :]
    own = torch.eye(len(right), len(numbers), dtype=torch.bool, device=scores.device)
    scores = scores.masked_fill(same & ~own, float("-inf"))
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(right), device=scores.device))


@dataclass(frozen=True)
class Loop:
    """A model that learns, with its optimizer. `total` is the number of steps."""

    learner: Learner
    adam: "torch.optim.AdamW"
    material: Material
    words: "EmbedderRecipe"
    total: int

    @classmethod
    def of(cls, learner: Learner, material: Material, words: "EmbedderRecipe") -> "Loop":
        import torch

        weights = learner.parameters().values()
        groups = [
            {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": words.weight_decay},
            {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        adam = torch.optim.AdamW(groups, lr=words.learning_rate)
        return cls(learner, adam, material, words, words.epochs * steps_per_epoch(len(material.questions), words.batch_size))

    def batches(self, done: int) -> Iterator[tuple[int, Batch]]:
        """(step from 1, its batch) of all steps after `done`."""
        step = 0
        for epoch in range(self.words.epochs):
            for batch in batches(self.material, self.words, epoch):
                step += 1
                if step > done:
                    yield step, batch

    def rate(self, step: int) -> float:
        """Learning rate of step 1 to `total`: up over the warmup, then straight down towards 0."""
        rising = max(1, round(self.words.warmup * self.total))
        share = step / rising if step <= rising else (self.total - step + 1) / (self.total - rising + 1)
        return self.words.learning_rate * share

    def learn(self, step: int, batch: Batch) -> float:
        """One step; returns its loss. Raises `TrainingError` when that is no number, before it gets into the weights."""
        import torch

        torch.manual_seed(self.words.seed * 1_000_003 + step)  # dropout
        for group in self.adam.param_groups:
            group["lr"] = self.rate(step)
        self.adam.zero_grad(set_to_none=True)
        value = loss(self.learner, self.material, batch, self.words.temperature)
        if not torch.isfinite(value):
            raise TrainingError(f"learning_rate: the loss of step {step} is {value.item()}; lower it and run again")
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.learner.parameters().values(), self.words.clip)
        self.adam.step()
        return value.item()

    def keep(self, folder: Path, step: int, log: list[dict]) -> None:
        """A sealed checkpoint: weights and both moments of AdamW, without pickle."""
        from safetensors.torch import save_file

        tensors = {}
        for name, weight in self.learner.parameters().items():
            state = self.adam.state[weight]
            tensors[f"weight/{name}"] = weight.detach()
            tensors |= {f"{moment}/{name}": state[moment] for moment in MOMENTS}
        folder.mkdir(parents=True)
        save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, folder / STATE)
        (folder / checkpoints.LOG).write_bytes(files.to_json(log))
        checkpoints.seal(folder, step=step)
        checkpoints.prune(folder.parent)

    def resume(self, folder: Path) -> tuple[int, list[dict]]:
        """Put a checked checkpoint into model and optimizer; returns its step and log."""
        import torch
        from safetensors.torch import load_file

        stored = load_file(folder / STATE, device=str(self.learner.device))
        step = checkpoints.step_of(folder)
        with torch.no_grad():
            for name, weight in self.learner.parameters().items():
                weight.copy_(stored[f"weight/{name}"])
                moments = {moment: stored[f"{moment}/{name}"] for moment in MOMENTS}
                self.adam.state[weight] = {"step": torch.tensor(float(step)), **moments}
        return step, json.loads((folder / checkpoints.LOG).read_text("utf-8"))


def newest(folder: Path) -> tuple[Path | None, tuple[str, ...]]:
    """The newest complete checkpoint, and a note for each newer one that is not used, with its reason."""
    notes: list[str] = []
    for path in sorted(folder.glob("checkpoint-*"), key=checkpoints.step_of, reverse=True):
        reason = checkpoints.problem(path)
        if reason is None:
            return path, tuple(notes)
        aside = folder.parent / checkpoints.ASIDE
        aside.mkdir(exist_ok=True)
        path.rename(aside / f"{path.name}.{len(list(aside.glob(f'{path.name}.*')))}")
        notes.append(f"{path.name} was set aside, {reason}")
    return None, tuple(notes)
