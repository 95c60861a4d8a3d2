"""Distillation on the level of sequences (Kim and Rush 2016, arXiv 1606.07947): a smaller base learns from a teacher's answers.

The teacher is a callable, since models that answer are opened in `evaluation/`; training itself is `launch.train`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.datasets.prompts import completion
from llmops_pipelines.lifecycle.datasets.wording import words

from ..lake import Draft, Lake, Version, digest
from ..lake.digests import text_digest
from .launch import Follow, Run, train
from .refusals import TrainingError

if TYPE_CHECKING:
    from ...config.recipe import Recipe

CODE = "distilled_examples-1"
SAVE_EVERY = 64  # answers between two writes to the store: what a crash can cost
Answer = Callable[[list[str]], list[str]]


@dataclass(frozen=True)
class Teacher:
    """Who answers. `identity` is all that its answers depend on besides the prompt: weights, adapter, longest answer."""

    name: str
    identity: str
    terms: str  # licence or terms of use under which a model may learn from these answers
    parameters: int | None  # None where nobody says, as of an endpoint


def distilled_examples(
    lake: Lake, examples: Version, teacher: Teacher, answer: Answer, agreement: float = 0.5, name: str = "distilled_examples"
) -> Version:
    """Asset `name`: the rows of `examples` with the teacher's answers in place of the known ones, and a column `teacher`.

    A row is left out where the teacher says nothing, or where less than `agreement` (token F1) of its answer is the known
    one: its mistakes are not worth learning. Each prompt is answered once for ever per teacher. Raises `TrainingError` when
    nothing is left.
    """

    def write(draft: Draft) -> None:
        rows = examples.table().to_pylist()
        said = _answers(lake, [row["prompt"] for row in rows], teacher, answer)
        kept, dropped = [], Counter()
        for row, text in zip(rows, said, strict=True):
            if not text.strip():
                dropped["nothing_said"] += 1
            elif agreed(text, row["completion"]) < agreement:
                dropped["contradicts_the_known_answer"] += 1
            else:
                told = completion(text)
                made = {"example_id": digest([teacher.identity, row["prompt"], told])[:32], "completion": told}
                kept.append({**row, **made, "origin": "distilled", "teacher": teacher.name})
        _write(draft, examples, teacher, kept, dropped)

    config = {"teacher": asdict(teacher), "agreement": agreement}
    return lake.once(name, code=CODE, config=config, parents=[examples], write=write)


def distil(
    lake: Lake,
    student: Version,
    examples: Version,
    teacher: Teacher,
    answer: Answer,
    recipe: "Recipe",
    home: Path,
    project: Path,
    run: Run,
    tracking: Follow | None = None,
    name: str = "checkpoint",
) -> Version:
    """Train `student`, a base_model version, on what the teacher answers. Raises `TrainingError` for a student that is not
    smaller than its teacher."""
    size = student.facts["parameters"]
    if teacher.parameters is not None and size >= teacher.parameters:
        raise TrainingError(
            f"the student has {size:,} parameters, its teacher {teacher.name} {teacher.parameters:,}; name a smaller base, or "
            "train on the examples themselves"
        )
    _, slash, which = name.partition("/")
    taught = distilled_examples(lake, examples, teacher, answer, name=f"distilled_examples{slash}{which}")
    return train(lake, student, taught, recipe, home, project, run, tracking, name)


def agreed(said: str, known: str) -> float:
    """Token F1 of two answers; 1 for two without words."""
    one, two = Counter(words(said)), Counter(words(known))
    if not one or not two:
        return float(one == two)
    return 2 * (one & two).total() / (one.total() + two.total())


def _answers(lake: Lake, prompts: Sequence[str], teacher: Teacher, answer: Answer) -> list[str]:
    import pyarrow as pa

    store = lake.store("teacher_answers", digest({"code": CODE, "teacher": teacher.identity}), "prompt_digest")
    texts = {text_digest(prompt): prompt for prompt in prompts}
    missing = store.missing(texts)
    for first in range(0, len(missing), SAVE_EVERY):
        part = missing[first : first + SAVE_EVERY]
        made = answer([texts[key] for key in part])
        store.append(pa.table({"prompt_digest": pa.array(part, pa.string()), "answer": pa.array(made, pa.string())}))
    found = dict(zip(texts, store.take(texts, ["answer"]).column("answer").to_pylist(), strict=True))
    return [found[text_digest(prompt)] for prompt in prompts]


def _write(draft: Draft, examples: Version, teacher: Teacher, rows: list[dict], dropped: Counter) -> None:
    import pyarrow as pa

    if not rows:
        raise TrainingError(
            f"{teacher.name} gave none of {dropped.total()} prompts an answer worth learning ({dict(dropped)}); take a better "
            "teacher, or a lower agreement"
        )
    schema = examples.table().schema
    if "teacher" not in schema.names:
        schema = schema.append(pa.field("teacher", pa.string()))
    unique = {row["example_id"]: row for row in rows}
    draft.table("distilled_examples", pa.Table.from_pylist(list(unique.values()), schema))
    draft.json("teacher", asdict(teacher))
    draft.facts |= {
        "examples": len(unique),
        "teacher": teacher.name,
        "terms": teacher.terms,
        "repeated_row": len(rows) - len(unique),
        **{f"dropped_{reason}": count for reason, count in sorted(dropped.items())},
    }
