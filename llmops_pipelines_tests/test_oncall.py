"""The runbook is executed: every command block of docs/oncall.md, in order, in a fresh copy of the project.

What it prints is compared with the page line by line. Numbers, hashes and times may differ, `...` stands for any lines, and
exit codes are asked for on the page as people do, with `echo $?`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "oncall.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = "/srv/skerrin"  # where the page's project lies
SAME = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(\+\d\d:\d\d|Z)?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "RUN"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b"), "HASH"),
    (re.compile(r"\b\d+ (hours?|minutes?|seconds?|days?)\b"), "AGE"),
    (re.compile(r"[-+−]?\d+(?:[.,]\d+)*"), "N"),
    (re.compile(r"[-─━═_]{3,}"), "---"),
    (re.compile(r"[▏▎▍▌▋▊▉█▁▂▃▄▅▆▇]+"), "BAR"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Step:
    """A command and the lines that the page shows below it."""

    command: str
    shown: tuple[str, ...]


def steps(block: str) -> Iterator[Step]:
    """The commands of a block: `$ ` begins one, `> ` goes on with it, everything else is what it prints."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        first, *rest = part.splitlines()
        more = [line[2:] if line.startswith("> ") else "" for line in rest if line.startswith("> ") or line == ">"]
        yield Step("\n".join([first, *more]), tuple(line for line in rest if not line.startswith(">")))


def blocks(page: str) -> list[list[Step]]:
    return [list(steps(block)) for block in BLOCK.findall(page)]


def plain(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, word in SAME:
        line = pattern.sub(word, line)
    return line.strip()


def differs(shown: list[str], printed: list[str]) -> str:
    """What of a page's lines is not in what was printed, in this order; empty when all of it is."""
    at, free = 0, False
    for line in shown:
        if line.strip() == "...":
            free = True
            continue
        found = at
        while free and found < len(printed) and plain(printed[found]) != plain(line):
            found += 1
        if found >= len(printed) or plain(printed[found]) != plain(line):
            after = printed[at] if at < len(printed) else "nothing more"
            return f"the page shows {line!r}, printed is {after!r}"
        at, free = found + 1, False
    return "" if free or at == len(printed) else f"the page ends, printed is {printed[at]!r}"


@dataclass
class Shell:
    """A copy of the project and a shell in it; the exit code of a command is known to the next."""

    folder: Path
    ended: int = 0

    def run(self, command: str) -> list[str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")}
        paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LLMOPS_HOME": str(self.folder / ".llmops")}
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.ended})\n{command}"],
            cwd=self.folder,
            env=kept | paths | {"COLUMNS": "120", "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.ended = done.returncode
        lines = [line.rstrip() for line in done.stdout.replace(str(self.folder), ELSEWHERE).splitlines()]
        return [line for line in lines if line]


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Shell:
    folder = tmp_path_factory.mktemp("oncall")
    shutil.copytree(PROJECT / "configs", folder / "configs")
    return Shell(folder)


def written() -> list[list[Step]]:
    return blocks(PAGE.read_text("utf-8")) if PAGE.is_file() else []


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("block", written(), ids=lambda block: block[0].command.splitlines()[0][:60])
def test_the_runbook_prints_what_it_says(shell, block):
    for step in block:
        printed = shell.run(step.command)
        wrong = differs([line for line in step.shown if line.strip()], printed)
        assert not wrong, f"$ {step.command}\n{wrong}\n\n" + "\n".join(printed)


def test_the_runbook_goes_from_alert_to_rollback():
    """Each question of on-call is asked on the page, in the order in which a night goes."""
    said = [step.command for block in written() for step in block]
    asked = [next((word for word in command.split() if word in ASKED), "") for command in said if command.startswith("llmops")]
    assert [word for word in dict.fromkeys(asked) if word] == list(ASKED)


ASKED = ("run", "freeze", "bisect", "blame", "diff", "lineage", "rollback", "verify", "forget", "unfreeze", "at")


def test_what_a_command_prints_is_compared_line_by_line():
    shown = ["release 2 is live since 2026-01-01T10:00:00", "...", "  documents  0.3"]
    printed = ["release 7 is live since 2026-11-21T19:00:01+00:00", "a", "b", "documents 0.41"]
    assert differs(shown, printed) == ""
    assert differs(shown[:1], printed) == "the page ends, printed is 'a'"
    assert "the page shows '  documents  0.3'" in differs(shown, [*printed[:-1], "chunker 0.41"])
    assert "printed is 'nothing more'" in differs([*printed, "c"], printed)
    assert differs(["release 2 is live"], ["release 2 is frozen"])


def test_a_command_may_go_on_in_the_next_line():
    (block,) = blocks("```console\n$ cat > a <<'E'\n> one\n>\n> E\n$ cat a\none\n```\n")
    assert block == [Step("cat > a <<'E'\none\n\nE", ()), Step("cat a", ("one",))]
