"""What a student is given to learn of its teacher's answers, that nothing is asked twice, and one whole distillation."""

import sys

import pytest

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.training import TrainingError, base_model
from llmops_pipelines.lifecycle.training.distillation import SAVE_EVERY, Teacher, agreed, distil, distilled_examples

from . import tiny, warm

TEACHER = Teacher(name="large", identity="weights 1", terms="Apache-2.0", parameters=10**9)


class Voice:
    """Answers as told and counts; `breaks_at` breaks off at that call."""

    def __init__(self, says, breaks_at: int = 0) -> None:
        self.says, self.breaks_at, self.asked = says, breaks_at, []

    def __call__(self, prompts: list[str]) -> list[str]:
        self.asked.append(len(prompts))
        if len(self.asked) == self.breaks_at:
            raise KeyboardInterrupt
        return [self.says(prompt) for prompt in prompts]


def right(prompt: str) -> str:
    return f"at {prompt.split('at ')[1].split(' ')[0]} sharp"


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake", "tiny")


def test_rows_keep_their_prompts_and_say_who_answered(lake):
    version = distilled_examples(lake, tiny.examples(lake), TEACHER, Voice(right))
    rows = version.table().to_pylist()
    assert (
        len(rows) == 40 and {row["teacher"] for row in rows} == {"large"} and {row["origin"] for row in rows} == {"distilled"}
    )
    assert rows[7]["completion"] == " at 7 sharp" and rows[7]["prompt"] == tiny.QUESTIONS[7][0]
    assert version.json("teacher")["terms"] == version.facts["terms"] == "Apache-2.0"


def test_mistakes_and_silence_are_not_learnt(lake):
    says = {0: "", 1: "   ", 2: "never", 3: "at four"}
    voice = Voice(lambda prompt: next((says[n] for n in says if prompt == tiny.QUESTIONS[n][0]), right(prompt)))
    version = distilled_examples(lake, tiny.examples(lake), TEACHER, voice, agreement=0.6)
    assert version.facts["examples"] == 36
    assert version.facts["dropped_nothing_said"] == 2 and version.facts["dropped_contradicts_the_known_answer"] == 2


def test_a_teacher_without_a_right_answer_is_refused(lake):
    with pytest.raises(TrainingError, match="large gave none of 40 prompts an answer worth learning"):
        distilled_examples(lake, tiny.examples(lake), TEACHER, Voice(lambda prompt: "never"))


def test_nothing_is_asked_twice_even_after_a_kill(lake):
    examples = tiny.examples(lake)
    many = distilled_examples(lake, examples, TEACHER, first := Voice(right))
    assert sum(first.asked) == 40
    again = distilled_examples(lake, examples, TEACHER, silent := Voice(right), agreement=0.1)
    assert not again.reused and silent.asked == [] and again.facts["examples"] == many.facts["examples"]


def test_a_kill_costs_one_portion(lake, monkeypatch):
    monkeypatch.setattr(sys.modules[distilled_examples.__module__], "SAVE_EVERY", 10)
    examples = tiny.examples(lake)
    with pytest.raises(KeyboardInterrupt):
        distilled_examples(lake, examples, TEACHER, Voice(right, breaks_at=3))
    distilled_examples(lake, examples, TEACHER, rest := Voice(right))
    assert rest.asked == [10, 10] and SAVE_EVERY > 10


def test_another_teacher_is_asked_anew(lake):
    examples = tiny.examples(lake)
    distilled_examples(lake, examples, TEACHER, Voice(right))
    other = Teacher("other", "weights 2", "Apache-2.0", None)
    distilled_examples(lake, examples, other, voice := Voice(right))
    assert sum(voice.asked) == 40


@pytest.mark.parametrize(("said", "known", "share"), [("At nine.", " at nine", 1), ("nine", " at nine", 2 / 3), ("x", " y", 0),
                                                      ("", " at", 0), ("!", " ?", 1)])  # fmt: skip
def test_agreement_is_the_token_f1(said, known, share):
    assert agreed(said, known) == pytest.approx(share)


def test_a_student_that_is_no_smaller_is_refused(lake, tmp_path):
    model = tiny.fake_model(tmp_path / "model")
    student = base_model(lake, tiny.recipe(model).base, tiny.PROJECT)
    teacher = Teacher("equal", "w", "Apache-2.0", student.facts["parameters"])
    with pytest.raises(TrainingError, match=r"the student has 16 parameters, its teacher equal 16; name a smaller base"):
        distil(lake, student, tiny.examples(lake), teacher, Voice(right), tiny.recipe(model), tmp_path, tiny.PROJECT, None)


@pytest.mark.slow
def test_a_student_learns_to_say_what_its_teacher_says(lake, tmp_path, tiny_model, warm_server):
    recipe = tiny.recipe(tiny_model, ranks=1, epochs=2)
    student = base_model(lake, recipe.base, tiny.PROJECT)
    args = (lake, student, tiny.examples(lake), TEACHER, Voice(right), recipe, tmp_path, tiny.PROJECT)
    version = distil(*args, warm.Warm(warm_server), name="checkpoint/distilled")
    assert version.asset == "checkpoint/distilled" and version.facts["loss_last"] < version.facts["loss_first"]
    assert lake.parent(version, "distilled_examples/distilled").facts["teacher"] == "large"
