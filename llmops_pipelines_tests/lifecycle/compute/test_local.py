"""Worker processes: results in order, little work without them, the first error or a killed worker ends all, no orphans."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle.compute import HERE, Local, WorkerLost, cores
from llmops_pipelines.lifecycle.lake import Refusal

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Double:
    """Twice each number, and the process that did it. The first batch takes longest."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        numbers = batch.column("n").to_pylist()
        time.sleep(0.2 if 0 in numbers else 0)
        return pa.RecordBatch.from_pydict({"n": [2 * n for n in numbers], "process": [os.getpid()] * len(numbers)})


@dataclass(frozen=True)
class Fail:
    at: int
    how: str

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.column("n")[0].as_py() < self.at:
            return batch
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise Refusal("chunk 7: no") if self.how == "refused" else ZeroDivisionError("by hand")


def batches(count: int, rows: int = 3) -> Iterator[pa.RecordBatch]:
    return (pa.RecordBatch.from_pydict({"n": [rows * at + row for row in range(rows)]}) for at in range(count))


def numbers(made: Iterator[pa.RecordBatch], column: str = "n") -> list[int]:
    return [n for batch in made for n in batch.column(column).to_pylist()]


@pytest.fixture(scope="module")
def two() -> Iterator[Local]:
    with Local(workers=2, patience=0) as local:
        yield local


def test_results_come_in_order_from_several_processes(two: Local) -> None:
    made = list(two.map(Double(), batches(20)))
    assert numbers(iter(made)) == [2 * n for n in range(60)] == numbers(HERE.map(Double(), batches(20)))
    processes = set(numbers(iter(made), "process"))
    assert len(processes) == 2 and os.getpid() not in processes
    assert set(numbers(two.map(Double(), batches(4)), "process")) <= processes  # kept for the next map


def test_few_batches_are_taken_before_their_results_are_wanted(two: Local) -> None:
    taken = []
    made = two.map(Double(), (taken.append(at) or batch for at, batch in enumerate(batches(50))))
    next(made)
    assert len(taken) <= 5
    assert len(numbers(made)) == 49 * 3 and len(taken) == 50


def test_little_work_starts_no_process_and_long_work_does() -> None:
    with Local(workers=2) as patient, Local(workers=2, patience=0.1) as hasty:
        assert set(numbers(patient.map(Double(), batches(5)), "process")) == {os.getpid()}
        assert numbers(hasty.map(Double(), batches(0))) == []
        alone, *rest = numbers(hasty.map(Double(), batches(4, rows=1)), "process")  # the first batch sleeps for 0.2 s
        assert alone == os.getpid() and os.getpid() not in rest
        assert set(numbers(hasty.map(Double(), batches(1)), "process")) == {os.getpid()}  # nobody to share with


def test_a_slice_travels_alone(two: Local) -> None:
    whole = pa.RecordBatch.from_pydict({"n": list(range(1_000_000))})
    began = time.monotonic()
    assert numbers(two.map(Double(), (whole.slice(at, 2) for at in range(0, 400, 2)))) == [2 * n for n in range(400)]
    assert time.monotonic() - began < 5  # 200 times 8 MB there and back takes longer


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("refused", Refusal, "^chunk 7: no$"),
        ("failed", ZeroDivisionError, "by hand"),
        ("killed", WorkerLost, "SIGKILL, most likely for lack of memory"),
    ],
)
def test_the_first_error_ends_the_map_and_its_workers(how: str, error: type[Exception], said: str) -> None:
    before = set(psutil.Process().children())
    local, made = Local(workers=2, patience=0), []
    with pytest.raises(error, match=said):
        made.extend(local.map(Fail(at=6, how=how), batches(1_000)))
    assert numbers(iter(made)) == list(range(6))
    assert set(psutil.Process().children()) == before
    assert numbers(local.map(Double(), batches(2))) == [2 * n for n in range(6)]  # it can be used again
    local.close()
    assert set(psutil.Process().children()) == before


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, psutil\n"
        "from llmops_pipelines_tests.lifecycle.compute.test_local import Double, Local, batches\n"
        "if __name__ == '__main__':\n"
        "    local = Local(workers=2, patience=0)\n"
        "    list(local.map(Double(), batches(4)))\n"
        "    print(*(child.pid for child in psutil.Process().children()), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": "."},
    )
    workers = [int(pid) for pid in done.stdout.split()]
    assert done.returncode == -signal.SIGKILL and len(workers) >= 2
    deadline = time.monotonic() + 10
    while alive := [pid for pid in workers if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def test_a_container_with_a_quota_has_as_many_cores_as_it_may_use(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    for text, expected in (("100000 100000", 1), ("1000 100000", 1), ("max 100000", cores.usable(tmp_path / "none"))):
        quota.write_text(text)
        assert cores.usable(quota) == expected
