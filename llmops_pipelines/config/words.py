"""What every file of settings has in common: unknown words are refused, values do not change after loading.

Paths are checked while loading, against the project folder that the loader passes as context.
"""

import difflib
import re
import zoneinfo
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

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


def _existing_or_url(path: str, info: ValidationInfo) -> str:
    return path if "://" in path else _existing(path, info)


ExistingPathOrUrl = Annotated[str, AfterValidator(_existing_or_url)]


def _no_password(address: str) -> str:
    if "@" in urlsplit(address).netloc:
        raise ValueError("an address without user and password, which would be seen in logs; name the variable with the key")
    return address


Address = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_no_password)]
EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
Group = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


def _owner(owner: str) -> str:
    if re.fullmatch(r"team:[\w-]+|[\w.+-]+@[\w-]+\.[\w.-]+", owner):
        return owner
    raise ValueError(f"'team:name' or an e-mail address; did you mean team:{owner}?")


Owner = Annotated[str, AfterValidator(_owner)]


CRON_FIELD = re.compile(r"[\d*/,\-]+|[A-Za-z]{3}([,\-][A-Za-z]{3})*")
CRON_MOST = (59, 23, 31, 12, 7)  # minute, hour, day, month, weekday


def _cron(line: str) -> str:
    fields = line.split()
    numbers = [max(map(int, re.findall(r"\d+", each)), default=0) for each in fields]
    known = len(fields) == 5 and all(CRON_FIELD.fullmatch(each) for each in fields)
    if known and all(number <= most for number, most in zip(numbers, CRON_MOST, strict=True)):
        return line
    raise ValueError("five cron fields; '0 2 * * *' is every night at two")


def _timezone(name: str) -> str:
    known = zoneinfo.available_timezones()
    if name in known:
        return name
    raise ValueError(f"a time zone such as UTC or Europe/Berlin{did_you_mean(name, sorted(known))}")


TimeZone = Annotated[str, AfterValidator(_timezone)]


Cron = Annotated[str, AfterValidator(_cron)]
