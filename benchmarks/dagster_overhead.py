"""What Dagster costs around the work: five steps that do nothing, in our layout and in the one of most projects.

    python benchmarks/dagster_overhead.py --home .llmops

Ours: one process, nothing heavy imported where definitions are loaded. The classic layout: one process per step (Dagster's
default), and the libraries imported at the top of the module. Last, a run over a pipeline where nothing changed, by
`dagster job execute`; `--home` names a home where `llmops run quickstart` was run, without it one is made (minutes).
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS = 5
HEAVY = ("torch", "sentence_transformers", "mlflow")
PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
MODULE = """
import dagster as dg
{imports}

def step(number):
    before = [dg.AssetKey(f"step_{{number - 1}}")] if number else []

    @dg.asset(name=f"step_{{number}}", deps=before)
    def made():
        return number

    return made

defs = dg.Definitions(
    assets=[step(number) for number in range({steps})],
    jobs=[dg.define_asset_job("every_step", "*")],
    executor={executor},
)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="a home where `llmops run quickstart` was run")
    parser.add_argument("--no-pipeline", action="store_true", help="leave out the run over a pipeline")
    arguments = parser.parse_args()
    print(f"{STEPS} steps that do nothing, `dagster job execute`:\n")
    print("| layout | imports at the top | seconds per step | the command | times ours |\n|---|---|---|---|---|")
    ours = measured(classic=False, heavy=False)
    for name, classic, heavy in (
        ("one process (ours)", False, False),
        ("a process per step", True, False),
        ("a process per step", True, True),
    ):
        missing = [library for library in HEAVY if heavy and not importlib.util.find_spec(library)]
        if missing:
            print(f"| {name} | {', '.join(missing)} not installed | | | |")
            continue
        step, command = measured(classic, heavy) if classic else ours
        times = f"{step / ours[0]:.0f}, {command / ours[1]:.1f}"
        print(f"| {name} | {', '.join(HEAVY) if heavy else 'light'} | {step:.3f} | {command:.1f} s | {times} |", flush=True)
    if not arguments.no_pipeline:
        pipeline(arguments.home)


def around_five_steps(classic: bool) -> float:
    """Seconds of the whole command, in our layout or in the classic one."""
    return measured(classic, heavy=classic)[1]


def measured(classic: bool, heavy: bool) -> tuple[float, float]:
    """Seconds per step, by the times in Dagster's own record of the run, and seconds of the command."""
    with tempfile.TemporaryDirectory() as room:
        executor = "dg.multiprocess_executor" if classic else "dg.in_process_executor"
        imports = "\n".join(f"import {library}" for library in HEAVY) if heavy else ""
        Path(room, "five_steps.py").write_text(MODULE.format(imports=imports, steps=STEPS, executor=executor), "utf-8")
        home = Path(room, "home")
        home.mkdir()
        home.joinpath("dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")
        environment = os.environ | {"DAGSTER_HOME": str(home), "PYTHONPATH": room}
        seconds = execute(["-m", "five_steps", "-j", "every_step"], environment, Path(room))
        return (sum(step_seconds(home).values())) / STEPS, seconds


def execute(arguments: list[str], environment: dict[str, str], folder: Path) -> float:
    start = time.perf_counter()
    command = [BIN / "dagster", "job", "execute", *arguments]
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{ended.stderr[-3000:]}")
    return time.perf_counter() - start


def step_seconds(home: Path) -> dict[str, float]:
    """Seconds from the end of one step to the end of the next, the first from the start of the run."""
    from dagster import DagsterEventType, DagsterInstance

    with DagsterInstance.from_config(str(home)) as instance:
        run = instance.get_run_records(limit=1)[0].dagster_run
        wanted = {DagsterEventType.RUN_START, DagsterEventType.STEP_SUCCESS}
        entries = [entry for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    ends = [entry for entry in entries if entry.dagster_event.event_type in wanted]
    pairs = zip(ends, ends[1:], strict=False)
    return {after.dagster_event.step_key: after.timestamp - before.timestamp for before, after in pairs}


def pipeline(home: Path | None) -> None:
    """The second and third run of a pipeline whose documents did not change."""
    with tempfile.TemporaryDirectory() as room:
        home = (home or Path(room)).resolve()
        environment = os.environ | {"LLMOPS_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
        if not (home / "lake" / "quickstart" / "release" / "current.json").is_file():
            print("\nNo pipeline was run in this home yet: llmops run quickstart ...", flush=True)
            subprocess.run([BIN / "llmops", "run", "quickstart"], env=environment, cwd=PROJECT, check=True, capture_output=True)
        print("\nThe quickstart, nothing changed, `dagster job execute`:\n")
        print("| job | the command, twice | seconds of its steps |\n|---|---|---|")
        for job in ("reindex", "lifecycle"):
            arguments = ["-m", "llmops_pipelines.definitions", "-j", f"quickstart__{job}_job"]
            arguments += ["--tags", json.dumps(_tags(home))]
            seconds = [execute(arguments, environment, PROJECT) for _ in range(2)]
            steps = step_seconds(home / "dagster")
            slowest = sorted(steps.items(), key=lambda item: -item[1])[:3]
            told = ", ".join(f"{name.split('__')[-1]} {took:.2f}" for name, took in slowest)
            print(
                f"| {job} | {' and '.join(f'{each:.1f} s' for each in seconds)} "
                f"| {sum(steps.values()):.2f} in {len(steps)} steps, most in {told} |",
                flush=True,
            )


def _tags(home: Path) -> dict[str, str]:
    """All sources of the quickstart, as one range of partitions."""
    from dagster import DagsterInstance

    with DagsterInstance.from_config(str(home / "dagster")) as instance:
        known = instance.get_dynamic_partitions("quickstart/sources")
    return {"dagster/asset_partition_range_start": known[0], "dagster/asset_partition_range_end": known[-1]}


if __name__ == "__main__":
    main()
