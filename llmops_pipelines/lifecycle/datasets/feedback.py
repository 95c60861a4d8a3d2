"""What people said about answers: reading their files, and what one answer's lines come to together.

Where the passages are that prove them right, and which rows they become, is decided in `lessons.py`.
"""

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from llmops_pipelines.config.datasets import Feedback
from llmops_pipelines.config.documents import Cleaning
from llmops_pipelines.config.words import Words
from llmops_pipelines.lifecycle.corpus.cleaners import personal_data

from . import json_lines
from .json_lines import QuestionsError
from .wording import plain


class Line(Words):
    """One line of a feedback file. `id` is that of the answered request, `release` the release that answered it."""

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answer: str
    rating: Literal["good", "bad"]
    correction: str | None = Field(None, min_length=1)
    preferred: str | None = Field(None, min_length=1)
    author: str = Field(min_length=1)
    time: str
    release: str = Field(min_length=1)

    @field_validator("time")
    @classmethod
    def _a_moment(cls, time: str) -> str:
        try:
            known = datetime.datetime.fromisoformat(time).tzinfo is not None
        except ValueError:
            known = False
        if not known:
            raise ValueError(f"{time!r} is no date and time with a zone; write 2031-05-04T09:30:00+00:00")
        return time

    @model_validator(mode="after")
    def _says_something(self) -> "Line":
        if self.rating == "good" and self.correction is not None:
            raise ValueError("rating: a good answer needs no correction; write bad, or leave the correction out")
        for name in ("correction", "preferred"):
            better = getattr(self, name)
            if better is not None and plain(better) == plain(self.answer):
                raise ValueError(f"{name}: it says the same as answer; write what would have been better, or leave it out")
        return self


@dataclass(frozen=True)
class Said:
    """What the lines about one answer come to: `right` is to be learnt, `given` was shown and is worse, if it is."""

    feedback_id: str
    release: str
    question: str
    right: str
    given: str | None


def load_feedback(settings: Feedback, project: Path) -> list[Line]:
    """All lines sorted by id, release and author. Raises `QuestionsError` with every fault of every file."""
    lines: dict[tuple[str, str, str], Line] = {}
    faults: list[str] = []
    place: dict[tuple[str, str, str], str] = {}
    about: dict[tuple[str, str], tuple[str, Line]] = {}
    for here, line in json_lines.read("training.feedback.path", settings.path, project, Line):
        if isinstance(line, list):
            faults += [f"{here}  {fault}" for fault in line]
            continue
        key, answered = (line.id, line.release, line.author), (line.id, line.release)
        first, other = about.setdefault(answered, (here, line))
        if key in place:
            faults.append(f"{here}  id: {line.author} said something about {line.id!r} in {place[key]}; keep one line")
        elif (line.question, line.answer) != (other.question, other.answer):
            faults.append(f"{here}  id: {line.id!r} is another question or answer in {first}; an id is one answered request")
        else:
            place[key], lines[key] = here, line
    if faults:
        raise QuestionsError("\n".join(faults))
    return [lines[key] for key in sorted(lines)]


class Privacy:
    """Whether what people wrote holds personal data of the kinds that documents are cleaned of."""

    def __init__(self, cleaning: Cleaning) -> None:
        self._finder = personal_data.Finder(
            tuple(sorted(cleaning.personal_data)), tuple(sorted(cleaning.languages)), cleaning.names_model
        )

    def concerns(self, said: Said) -> bool:
        return any(self._finder.spans(text) for text in (said.question, said.right, said.given) if text)


def verdicts(lines: Sequence[Line], settings: Feedback) -> tuple[list[Said], Counter[str]]:
    """What can be learnt, and how many answers nothing can be learnt from, by reason. Lines are joined by id and release."""
    about: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        about.setdefault((line.id, line.release), []).append(line)
    found: list[Said] = []
    dropped: Counter[str] = Counter()
    for (feedback_id, release), group in sorted(about.items()):
        said = _together(group, settings.learn_from)
        if isinstance(said, str):
            dropped[said] += 1
        else:
            found.append(Said(feedback_id, release, group[0].question, *said))
    return found, dropped


def _together(group: Sequence[Line], learn_from: Sequence[str]) -> tuple[str, str | None] | str:
    """(right, given) or why there is none. A correction counts more than a preference, and both more than a rating."""
    for kind in ("correction", "preferred"):
        better = {plain(text): text for line in group if (text := getattr(line, kind)) is not None}
        if len(better) > 1:
            return "people_disagree"
        if better:
            return (next(iter(better.values())), group[0].answer) if kind in learn_from else "kind_not_learnt_from"
    ratings = {line.rating for line in group}
    if len(ratings) > 1:
        return "people_disagree"
    if ratings == {"bad"}:
        return "no_better_answer"
    return (group[0].answer, None) if "good" in learn_from else "kind_not_learnt_from"
