"""What every file of settings has in common: unknown words are refused, values do not change after loading.

Paths are checked while loading, against the project folder that the loader passes as context.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Words(BaseModel):
    """Base of all settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _existing(path: str, info: ValidationInfo) -> str:
    project: Path = (info.context or {}).get("project", Path())
    target = project / path
    if target.exists() or (not Path(path).is_absolute() and any(project.glob(path))):
        return path
    beside = [found.name for found in target.parent.iterdir()] if target.parent.is_dir() else []
    raise ValueError(f"a path that exists below {project}{did_you_mean(target.name, beside)}")


ExistingPath = Annotated[str, AfterValidator(_existing)]


def _owner(owner: str) -> str:
    if owner.startswith("team:") or "@" in owner:
        return owner
    raise ValueError(f"'team:name' or an e-mail address; did you mean team:{owner}?")


Owner = Annotated[str, AfterValidator(_owner)]


def _cron(line: str) -> str:
    if len(line.split()) == 5:
        return line
    raise ValueError("five cron fields; '0 2 * * *' is every night at two")


Cron = Annotated[str, AfterValidator(_cron)]
