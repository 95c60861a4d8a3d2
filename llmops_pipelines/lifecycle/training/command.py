"""How the ranks are started: torchrun under the guard, on this machine or on each of several.

The first machine runs `command(job)`. Every other one runs, on the same LLMOPS_HOME,
`python -m llmops_pipelines.lifecycle.training.command JOB.json NODE`, which waits for the first.
"""

import os
import sys
from pathlib import Path
from typing import Any

from . import guard, work
from .job import Job

CHILD = "llmops_pipelines.lifecycle.training.child"


def command(job: Job, node: int = 0) -> list[str]:
    """torchrun for the ranks of one machine. Alone it picks free ports itself: one chosen here could be taken meanwhile."""
    recipe = job.recipe
    if recipe["nodes"] == 1:
        meeting = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
        meeting += [f"--rdzv-id={job.fingerprint[:16]}"]
    else:  # static: rank 0 must be on the machine whose Dagster run listens to it
        host, port = recipe["rendezvous"].rsplit(":", 1)
        meeting = [f"--nnodes={recipe['nodes']}", f"--node-rank={node}", f"--master-addr={host}", f"--master-port={port}"]
    ranks = ["--nproc-per-node", str(recipe["ranks"]), "--max-restarts=0"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *ranks, *meeting, "-m", CHILD, str(job.file), str(node)]
    return guard.command(job.lock(node), torchrun)


def variables(recipe: dict[str, Any]) -> dict[str, str]:
    """What the ranks get on top of the environment."""
    # where nothing is compiled DeepSpeed would load the compiler all the same (1.5 s)
    return work.variables(recipe["ranks"]) | ({} if recipe["compile"] else {"TORCHDYNAMO_DISABLE": "1"})


def others(job: Job) -> str:
    """The sentence that tells a person what to start on the machines beside this one."""
    numbers = f"NODE = 1 to {job.recipe['nodes'] - 1}"
    return f"waiting for the other machines; start on each: python -m {__name__} {job.file} NODE, with {numbers}"


def main(file: str, node: str) -> None:
    job = Job.read(Path(file))
    told = (f"{name}={value}" for name, value in variables(job.recipe).items())
    os.execvp("env", ["env", *told, *command(job, int(node))])


if __name__ == "__main__":
    main(*sys.argv[1:])
