"""A fine-tuned model as the teacher of a smaller one: who it is, and how it is asked."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Version, digest
from llmops_pipelines.lifecycle.training.distillation import Teacher

from .candidates import weights_of
from .generation import Generator

if TYPE_CHECKING:
    from llmops_pipelines.config.recipe import Recipe

LONGEST = 64  # tokens of an answer


def distillation_teacher(
    recipe: "Recipe", teacher_base: Version, teacher_checkpoint: Version
) -> tuple[Teacher, Callable[[list[str]], list[str]]]:
    """The teacher, and what answers prompts in its name; its weights are loaded by the first prompt."""
    identity = digest([teacher_base.digest, teacher_checkpoint.digest, LONGEST])
    parameters = teacher_base.facts["parameters"]
    teacher = Teacher(teacher_checkpoint.asset, identity, f"licence of its base: {recipe.base.licence}", parameters)
    opened: list[Generator] = []

    def answer(prompts: list[str]) -> list[str]:
        if not opened:
            opened.append(Generator.open(*weights_of(teacher_base, teacher_checkpoint)))
        return opened[0].answer(prompts, LONGEST)

    return teacher, answer
