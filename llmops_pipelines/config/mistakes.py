"""Mistakes in settings: one line each, with place, value and way out, and all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from .words import did_you_mean

PLAIN = {
    "string_type": "text (in quotes if it looks like a number)",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "list_type": "a list",
    "model_type": "a section with fields below it",
    "bool_parsing": "true or false",
}
Location = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Mistake:
    """`file:line  field: what is wrong`, the form that editors make clickable."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}  {self.field}: {self.message}"


class ConfigMistakes(Exception):
    """Every mistake found in one file of settings."""

    def __init__(self, mistakes: Iterable[Mistake]):
        self.mistakes = sorted(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def field_name(location: Location) -> str:
    """('documents', 0, 'path') -> 'documents[0].path'."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return name.removeprefix(".") or "file"


def explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One sentence for a pydantic error: what came, what was expected, what may have been meant."""
    location = error["loc"]
    if error["type"] == "missing":
        described = fields_at(model, location[:-1]).get(str(location[-1]))
        return f"got nothing; expected {described or 'a value'}"
    if error["type"] == "extra_forbidden":
        known = list(fields_at(model, location[:-1]))
        return f"got an unknown word; expected one of {', '.join(known)}{did_you_mean(str(location[-1]), known)}"
    got = "these values together" if isinstance(error["input"], dict) else shorten(error["input"])
    if error["type"] == "literal_error":
        choices = [choice.strip("' ") for choice in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"got {got}; expected one of {', '.join(choices)}{did_you_mean(str(error['input']), choices)}"
    return f"got {got}; expected {PLAIN.get(error['type']) or _expected(error['msg'])}"


def _expected(message: str) -> str:
    """Pydantic's wording without its preamble."""
    for preamble in ("Value error, ", "Input should be "):
        message = message.removeprefix(preamble)
    return message[:1].lower() + message[1:]


def shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def fields_at(model: type[BaseModel], location: Location) -> dict[str, str]:
    """Field names and descriptions of the settings found at `location` below `model`."""
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = None if field is None else model_in(field.annotation)
        if inner is None:
            return {}
        model = inner
    return {name: field.description or name for name, field in model.model_fields.items()}


def model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)
