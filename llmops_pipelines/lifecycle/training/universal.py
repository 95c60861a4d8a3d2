"""A checkpoint of other ranks made readable: DeepSpeed's universal checkpoint, which holds parameters instead of shards.

Runs inside the training process, on its first rank; torch and DeepSpeed are imported here.
"""

import contextlib
import io
import os
import shutil
from argparse import Namespace
from pathlib import Path

from . import checkpoints
from .refusals import TrainingError

BESIDE = ("trainer_state.json", "scheduler.pt", checkpoints.LOG)  # what the Trainer reads, whatever the ranks
# Another number of ranks has other random states: dropout draws anew from the seed, and the result is not bit for bit
# that of a run which was never moved.


def convert(checkpoint: Path, folder: Path) -> Path:
    """Write the universal form of `checkpoint` below `folder`, anew each time, and return where the Trainer finds it.

    Raises `TrainingError` when DeepSpeed cannot convert it (0.19: mixtures of experts, shards of several kinds).
    """
    made = folder / checkpoint.name
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    tag = (checkpoint / "latest").read_text("utf-8").strip()
    for name in BESIDE:
        os.link(checkpoint / name, made / name)
    try:
        _deepspeed(checkpoint / tag, made / f"{tag}_universal")
    except Exception as error:  # DeepSpeed's script raises whatever it stumbles over: assertions, keys, its own
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        saved = checkpoints.manifest(checkpoint)["ranks"]
        raise TrainingError(
            f"{checkpoint}: {saved} ranks saved it, and DeepSpeed cannot convert it for another number ({reason}); "
            f"set ranks and nodes to {saved} processes again, or remove {checkpoint.parent} to start anew"
        ) from error
    return made


def _deepspeed(shards: Path, target: Path) -> None:
    from deepspeed.checkpoint import ds_to_universal

    wanted = Namespace(
        input_folder=str(shards),
        output_folder=str(target),
        num_extract_workers=1,  # in this process: a pool of processes would outlive it when it is killed
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        inject_missing_state=True,  # DeepSpeed's own note for universal checkpoints, which the Trainer does not write
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        ds_to_universal.main(wanted)
