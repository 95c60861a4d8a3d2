"""Starts training processes from one that has imported torch, TRL and DeepSpeed already: a second each instead of ten.

The ranks are real processes that run the product's `child.py`; what torchrun does for them (environment, ending all when
one fails) is done here. `KILLS` says where a rank kills itself (SIGKILL), by watching what it opens, makes and saves.
"""

import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from llmops_pipelines.lifecycle.training import guard
from llmops_pipelines.lifecycle.training.command import CHILD
from llmops_pipelines.lifecycle.training.job import Job


@dataclass(frozen=True)
class Kill:
    """`rank` dies when it does `event` to a path that `pattern` is found in; event "save" leaves half of the file behind,
    event "step" means the optimizer step `pattern`."""

    rank: int
    event: str
    pattern: str


class Warm:
    """Plays the `run` of `train`. `kills` are used up one per start; `output` is what the last start printed."""

    def __init__(self, server: subprocess.Popen, kills: list[Kill] | None = None) -> None:
        self.server, self.kills, self.output, self.starts = server, kills or [], "", 0

    def __call__(self, command: list[str], variables: dict[str, str]) -> None:
        kill = self.kills.pop(0) if self.kills else None
        self.starts += 1
        asked = {"job": command[-2], "kill": asdict(kill) if kill else None}
        self.server.stdin.write(json.dumps(asked) + "\n")
        self.server.stdin.flush()
        codes = json.loads(self.server.stdout.readline())
        self.output = (Path(command[-2]).parent / "output.txt").read_text()
        if any(codes):
            raise subprocess.CalledProcessError(next(code for code in codes if code), command, self.output)


@contextmanager
def server():
    environment = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment |= {"TOKENIZERS_PARALLELISM": "false", "TORCHDYNAMO_DISABLE": "1"}
    command = [sys.executable, "-W", "ignore", "-m", __name__]
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    try:
        assert started.stdout.readline() == "ready\n"
        yield started
    finally:
        started.stdin.close()
        started.wait(20)
        started.stdout.close()


def serve() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.modules["mlflow"] = None
    import datasets  # noqa: F401
    import deepspeed  # noqa: F401
    import peft  # noqa: F401
    import torch  # noqa: F401
    import trl
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: F401

    assert trl.SFTTrainer and trl.DPOTrainer
    del sys.modules["mlflow"]
    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(start(Path(asked["job"]), asked["kill"] and Kill(**asked["kill"]))), file=replies, flush=True)


def start(file: Path, kill: Kill | None) -> list[int]:
    """Exit codes of the ranks; when one fails the others are ended."""
    job = Job.read(file)
    handle = guard.take(job.lock(), seconds=20)
    port = free_port()
    ranks = [fork(job, rank, port, kill) for rank in range(job.world)]
    codes = dict.fromkeys(ranks, -1)
    for _ in ranks:
        process, status = os.wait()
        codes[process] = os.waitstatus_to_exitcode(status)
        if codes[process]:
            for other, code in codes.items():
                if code == -1:
                    os.kill(other, signal.SIGKILL)
    os.close(handle)
    return list(codes.values())


def fork(job: Job, rank: int, port: int, kill: Kill | None) -> int:
    if process := os.fork():
        return process
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": job.world, "LOCAL_WORLD_SIZE": job.world, "MASTER_PORT": port}
    os.environ.update({name: str(number) for name, number in numbers.items()}, MASTER_ADDR="127.0.0.1")
    sys.argv = ["child", str(job.file), "0"]
    out = os.open(job.work / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if rank else os.O_TRUNC))
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout = os.fdopen(1, "w")
    if kill and kill.rank == rank:
        arm(kill)
    try:
        runpy.run_module(CHILD, run_name="__main__", alter_sys=True)  # ends with os._exit(0)
    except SystemExit as error:
        print(error.code, file=sys.stderr)
    except BaseException as error:  # whatever ends a process with a stack trace
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stdout.flush()
    os._exit(1)


def arm(kill: Kill) -> None:
    def now() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if kill.event == "step":
        from deepspeed.runtime.engine import DeepSpeedEngine

        whole, taken = DeepSpeedEngine.step, []

        def step(self, *args, **options):
            taken.append(1)
            if len(taken) == int(kill.pattern):
                now()
            return whole(self, *args, **options)

        DeepSpeedEngine.step = step
    elif kill.event == "save":
        import torch

        saved = torch.save

        def save(value, path, *args, **options):
            saved(value, path, *args, **options)
            if re.search(kill.pattern, str(path)):
                os.truncate(path, Path(path).stat().st_size // 2)
                now()

        torch.save = save
    else:

        def watch(event, args):
            if event == kill.event and any(re.search(kill.pattern, str(arg)) for arg in args[:2]):
                now()

        sys.addaudithook(watch)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    serve()
