"""A finding: what is wrong, worth a look or fine, in one sentence, with the command or page that mends it."""

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["wrong", "look", "fine"]
ORDER: tuple[Severity, ...] = ("wrong", "look", "fine")
UI = "http://127.0.0.1:3000"  # where `llmops ui` serves


@dataclass(frozen=True)
class Finding:
    """`about` is the thing (a run, an asset, a sensor); `fix` a command or a page of the UI, empty where nothing is to be done;
    `downstream` the number of assets that are made from it."""

    severity: Severity
    about: str
    sentence: str
    fix: str = ""
    downstream: int = 0


@dataclass(frozen=True)
class Health:
    """What was found out about one pipeline, the worst first. `at` is ISO 8601 in UTC."""

    pipeline: str
    at: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        return not self.of("wrong")

    def of(self, severity: Severity) -> list[Finding]:
        return [each for each in self.findings if each.severity == severity]


def page_of_run(run: str) -> str:
    return f"llmops ui, then {UI}/runs/{run}"


def ago(seconds: float) -> str:
    """A length of time as people say it: "40 s", "12 min", "5 h", "3 days"."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and unit != "days"):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
