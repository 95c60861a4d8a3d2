"""`llmops doctor`: the worst first, a fix that exists, exit 3 when something is wrong, and nothing is changed by looking."""

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
import typer
from typer.testing import CliRunner

from llmops_pipelines.cli import app as llmops
from llmops_pipelines.oncall import doctor as command
from llmops_pipelines.oncall.examinations import runs
from llmops_pipelines.resources.instance import PROCESS
from llmops_pipelines_tests.oncall.ward import Ward, a_dead_process


def doctor(*arguments: str):
    app = typer.Typer()
    app.command()(command.doctor)
    return CliRunner().invoke(app, list(arguments))


def findings(*arguments: str) -> list[dict]:
    (health,) = json.loads(doctor(*arguments, "--json").output)
    return health["findings"]


def test_a_home_in_which_nothing_was_ever_run_is_healthy_and_stays_empty(tmp_path, monkeypatch, project):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(project)
    result = doctor("quickstart")
    assert result.exit_code == 0 and "nothing was ever run in this home" in " ".join(result.output.split())
    assert not (tmp_path / "home").exists()


def test_what_is_wrong_comes_first_with_its_fix_and_exit_3(sick: Ward):
    run = sick.run(**{PROCESS: a_dead_process()})
    assert doctor("quickstart").exit_code == 3
    found = findings("quickstart")
    assert found[0]["severity"] == "wrong" and run.run_id[:8] in found[0]["about"]
    severities = [each["severity"] for each in found]
    assert severities == sorted(severities, key=["wrong", "look", "fine"].index)


def test_every_pipeline_is_examined_without_a_name_and_an_unknown_one_is_exit_2(sick: Ward):
    assert [health["pipeline"] for health in json.loads(doctor("--json").output)] == ["quickstart"]
    assert doctor("quickstar").exit_code == 2


def test_the_page_is_a_file(sick: Ward, tmp_path):
    doctor("quickstart", "--html", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "doctor: quickstart" in page


def state(folder: Path) -> dict[str, str]:
    """Digests of all files; SQLite's journals come and go with every reader."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_looking_changes_nothing(sick: Ward):
    sick.run(**{PROCESS: a_dead_process()})
    sick.sensor("drift", ago=7_200)
    sick.instance.dispose()
    before = state(sick.home.folder)
    assert doctor("quickstart").exit_code == 3
    assert state(sick.home.folder) == before


def test_an_examination_that_cannot_be_made_is_a_finding(sick: Ward, monkeypatch):
    def broken(case):
        yield from ()
        raise RuntimeError("database disk image is malformed")

    monkeypatch.setattr(runs, "examine", broken)
    (found,) = [each for each in findings("quickstart") if each["about"] == "runs"]
    assert found["severity"] == "wrong" and "database disk image is malformed" in found["sentence"]


def test_a_pipeline_file_with_mistakes_is_a_finding(tmp_path, monkeypatch):
    folder = tmp_path / "configs" / "pipelines"
    folder.mkdir(parents=True)
    (folder / "shop.yaml").write_text("documents: 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    (found,) = findings("shop")
    assert found["about"] == "configuration" and "shop.yaml" in found["sentence"]


def test_every_fix_is_a_command_that_exists(sick: Ward):
    sick.run(**{PROCESS: a_dead_process()})
    sick.run(started=False)
    sick.sensor("drift", ago=7_200)
    named = {each["fix"].split()[1].rstrip(",") for each in findings("quickstart") if each["fix"].startswith("llmops ")}
    known = {each.name or each.callback.__name__ for each in llmops.registered_commands}
    assert named and named <= known | {"release"}


def multiply(database: Path, table: str, times: int, own: str = "") -> int:
    """Copy every row of a table many times; `own` is a column whose values must differ. Returns how many rows there are."""
    with closing(sqlite3.connect(database)) as open_, open_:
        names = [row[1] for row in open_.execute(f"pragma table_info({table})") if row[1] != "id"]
        taken = ", ".join("hex(randomblob(16))" if name == own else name for name in names)
        numbers = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {times})"
        open_.execute(f"insert into {table} ({', '.join(names)}) {numbers} select {taken} from {table}, n")
        return open_.execute(f"select count(*) from {table}").fetchone()[0]


@pytest.mark.slow
def test_a_long_history_costs_less_than_three_seconds(sick: Ward):
    @dg.asset(key=["quickstart", "chunks"])
    def chunks() -> None: ...

    dg.materialize([chunks], instance=sick.instance)
    sick.instance.report_run_failed(sick.run())
    for name in ("drift", "new_documents"):
        sick.sensor(name, ago=60)
    sick.heartbeat(ago=10)
    sick.instance.dispose()
    history = sick.home.folder / "dagster"
    assert multiply(history / "history" / "runs.db", "runs", 10_000, own="run_id") > 20_000
    assert multiply(history / "history" / "runs" / "index.db", "event_logs", 40_000) > 100_000
    assert multiply(history / "schedules" / "schedules.db", "job_ticks", 50_000) > 100_000
    began = time.process_time()
    (health,) = command.examined(["quickstart"])
    took = time.process_time() - began
    assert took < 3, took
    assert [each for each in health.findings if "died" in each.sentence], "it looked at all of that"
