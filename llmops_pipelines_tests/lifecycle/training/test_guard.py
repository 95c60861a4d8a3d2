"""Training processes end with the process that started them, and no two work in one folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmops_pipelines.lifecycle.training import TrainingError, guard

# Starts a long sleep, plain or guarded, and waits for it, as the process of a Dagster step does
STARTER = """
import subprocess, sys
from pathlib import Path
from llmops_pipelines.lifecycle.training import guard
sleep = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
subprocess.run(guard.command(Path(sys.argv[1]), sleep) if sys.argv[2] == "guarded" else sleep)
"""


def starter(lock, how):
    process = subprocess.Popen([sys.executable, "-c", STARTER, str(lock), how], stdout=subprocess.PIPE, text=True)
    with process.stdout as stream:
        return process, int(stream.readline())


def gone(process, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_guarded_process_dies_with_its_starter_and_frees_the_lock(tmp_path):
    lock = tmp_path / "process.lock"
    process, sleeper = starter(lock, "guarded")
    assert guard.holder(lock) == sleeper
    with pytest.raises(TrainingError, match=f"process {sleeper} is training there"), guard.hold(lock):
        pass
    process.kill()
    process.wait()
    assert gone(sleeper, seconds=5)
    with guard.hold(lock):
        assert guard.holder(lock) == os.getpid()


def test_without_the_guard_it_would_live_on(tmp_path):
    process, sleeper = starter(tmp_path / "process.lock", "plain")
    process.kill()
    process.wait()
    try:
        assert not gone(sleeper, seconds=0.3)
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_a_process_whose_starter_is_gone_already_ends_at_once(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    command = guard.command(tmp_path / "process.lock", [sys.executable, "-c", "print('ran')"])
    late = [str(ended.pid) if part == str(os.getpid()) else part for part in command]
    runs = [subprocess.run(line, capture_output=True, text=True) for line in (command, late)]
    assert runs[0].stdout == "ran\n"
    assert runs[1].returncode and runs[1].stdout == "" and f"process {ended.pid}" in runs[1].stderr
