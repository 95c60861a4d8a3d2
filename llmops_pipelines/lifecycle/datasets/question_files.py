"""Questions as people write, correct and review them: the lines of the question files, and which of them count.

Where a question's documents stand is decided in `questions.py`.
"""

from pathlib import Path

from pydantic import Field, model_validator

from llmops_pipelines.config.datasets import Questions
from llmops_pipelines.config.words import Words

from . import json_lines
from .json_lines import QuestionsError


class Row(Words):
    """One line of a question file. `supersedes` is the id of the question that this one corrects."""

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: list[str]
    documents: list[str] = Field(min_length=1)
    answerable: bool
    author: str | None = Field(None, min_length=1)
    reviewed_by: str | None = Field(None, min_length=1)
    supersedes: str | None = Field(None, min_length=1)
    topic: str | None = Field(None, min_length=1)
    language: str | None = Field(None, pattern=r"^[a-z]{2,3}$")

    @model_validator(mode="after")
    def _answers_fit(self) -> "Row":
        if self.answerable and not any(answer.strip() for answer in self.answers):
            raise ValueError("answers: an answerable question needs one; write one, or set answerable to false")
        if not self.answerable and self.answers:
            raise ValueError("answers: an unanswerable question has none; use []")
        return self

    @model_validator(mode="after")
    def _someone_else_looked(self) -> "Row":
        if self.reviewed_by is not None and self.reviewed_by == self.author:
            raise ValueError(f"reviewed_by: {self.author!r} wrote it; name somebody else, or leave reviewed_by out")
        if self.supersedes is not None and self.author is None:
            raise ValueError("author: a correction needs one; name who corrected")
        return self


def load(settings: Questions, project: Path) -> list[Row]:
    """All rows sorted by id, superseded ones too. Raises `QuestionsError` with every fault of every file as
    `file:line  field: ...`."""
    rows: list[Row] = []
    faults: list[str] = []
    place: dict[str, str] = {}
    for here, row in json_lines.read("questions.path", settings.path, project, Row):
        if isinstance(row, list):
            faults += [f"{here}  {fault}" for fault in row]
        elif row.id in place:
            faults.append(f"{here}  id: {row.id!r} is taken by {place[row.id]}; ids are unique over all files")
        else:
            place[row.id] = here
            rows.append(row)
    faults += _broken_chains(rows, place)
    if faults:
        raise QuestionsError("\n".join(faults))
    return sorted(rows, key=lambda row: row.id)


def superseded(rows: list[Row]) -> set[str]:
    """Ids of the questions that a correction took the place of."""
    return {row.supersedes for row in rows if row.supersedes is not None}


def _broken_chains(rows: list[Row], place: dict[str, str]) -> list[str]:
    """A correction names a question that is there, no other one corrects it, too, and following them comes to an end."""
    before = {row.id: row.supersedes for row in rows if row.supersedes is not None}
    faults: list[str] = []
    taken: dict[str, str] = {}
    for row_id, old in before.items():
        here = f"{place[row_id]}  supersedes:"
        if old not in place:
            faults.append(f"{here} no question has the id {old!r}; keep the old line beside its correction")
        elif old in taken:
            faults.append(f"{here} {old!r} is superseded by {taken[old]!r} already; supersede that one")
        elif _turns_in_circles(row_id, before):
            faults.append(f"{here} {row_id!r} supersedes itself in the end; let one question be the oldest")
        taken.setdefault(old, row_id)
    return faults


def _turns_in_circles(start: str, before: dict[str, str]) -> bool:
    at, seen = before.get(start), {start}
    while at is not None and at not in seen:
        seen.add(at)
        at = before.get(at)
    return at == start
