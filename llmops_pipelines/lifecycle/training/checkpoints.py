"""Checkpoints that a killed run resumes from: sealed by a manifest that is written last, checked before use.

A folder is a checkpoint when its manifest lists all that resuming needs and every file still has its sha256. Anything
else is set aside with a reason. Knows file names of DeepSpeed and the Hugging Face Trainer, loads nothing.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..lake import files
from ..lake.digests import file_digest
from .refusals import TrainingError

MANIFEST = "manifest.json"
LOG = "training_log.json"
ASIDE = "set_aside"
WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True)
class Choice:
    """Where to resume: the newest complete checkpoint, or None for the start; `notes` say what was set aside and why.
    `ranks` processes saved it; if others resume it, it has to be made universal first."""

    path: Path | None
    step: int
    notes: tuple[str, ...]
    ranks: int | None = None


def seal(folder: Path, **facts: Any) -> None:
    """Flush the folder to disk and write its manifest: size and sha256 of every file, and `facts`."""
    files.sync_tree(folder)
    listed = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    if not files.write_once(folder / MANIFEST, files.to_json({**facts, "files": listed})):
        raise TrainingError(f"{folder}: is sealed already; two runs write to one folder")


def seal_checkpoint(folder: Path, step: int, ranks: int, precision: str = "fp32") -> None:
    """Seal a training state of `ranks` processes. Raises `TrainingError` if a file that resuming needs is missing."""
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if missing := needed(folder, ranks) - present:
        raise TrainingError(f"{folder}: {sorted(missing)[0]} was not written; the checkpoint is not kept")
    seal(folder, step=step, ranks=ranks, precision=precision)


def needed(folder: Path, ranks: int) -> set[str]:
    """What an exact resume reads (DeepSpeed 0.19, transformers 5): weights, optimizer shard and random state per rank."""
    latest = folder / "latest"
    tag = (latest.read_text("utf-8").strip() if latest.is_file() else "") or "global_step"
    present = {path.name for path in (folder / tag).glob("*.pt")}
    kind = "bf16_" if any(name.startswith("bf16_") for name in present) else ""
    shared = "mp_rank_00_model_states.pt"  # ZeRO-1 and 2: one for all; ZeRO-3: one per rank
    split = any(name.endswith(f"_{shared}") for name in present)
    models = {f"zero_pp_rank_{rank}_{shared}" for rank in range(ranks)} if split else {shared}
    optimizers = {f"{kind}zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in range(ranks)}
    random = {f"rng_state_{rank}.pth" for rank in range(ranks)} if ranks > 1 else {"rng_state.pth"}
    weights = next((name for name in WEIGHTS if (folder / name).is_file()), WEIGHTS[0])
    rest = {"latest", "trainer_state.json", "scheduler.pt", weights, LOG}
    return rest | random | {f"{tag}/{name}" for name in models | optimizers}


def problem(folder: Path) -> str | None:
    """Why this sealed folder must not be used, or None."""
    try:
        listed = manifest(folder)["files"]
    except FileNotFoundError:
        return "incomplete: it was not finished when its run ended"
    except (ValueError, KeyError, TypeError):
        return f"its {MANIFEST} cannot be read"
    for name, entry in listed.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != entry["bytes"] or file_digest(path) != entry["sha256"]:
            return f"{name} was altered after it was saved"
    return None


def checkpoint_problem(folder: Path) -> str | None:
    """Like `problem`, for a training state."""
    if found := problem(folder):
        return found
    ranks = manifest(folder).get("ranks")
    if not isinstance(ranks, int):
        return f"its {MANIFEST} does not say how many ranks saved it"
    if missing := needed(folder, ranks) - set(manifest(folder)["files"]):
        return f"{sorted(missing)[0]} is missing"
    return None


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / MANIFEST).read_text("utf-8"))


def choose(folder: Path) -> Choice:
    """The newest complete checkpoint below `folder`. Everything newer that is not complete is moved out of the way."""
    notes: list[str] = []
    for path in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        reason = checkpoint_problem(path)
        if reason is None:
            return Choice(path, step_of(path), tuple(notes), manifest(path)["ranks"])
        _set_aside(path)
        notes.append(f"{path.name} was set aside, {reason}")
    return Choice(None, 0, tuple(notes))


def prune(folder: Path, keep: int = 2) -> None:
    """Remove all but the newest `keep` sealed checkpoints. Two, so that damage to the last one costs little."""
    sealed = [path for path in folder.glob("checkpoint-*") if (path / MANIFEST).is_file()]
    for path in sorted(sealed, key=step_of, reverse=True)[keep:]:
        (path / MANIFEST).unlink()  # first: a half-removed folder must not look complete
        shutil.rmtree(path)


def step_of(path: Path) -> int:
    number = path.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _set_aside(path: Path) -> None:
    home = path.parent.parent / ASIDE
    home.mkdir(exist_ok=True)
    taken = len(list(home.glob(f"{path.name}.*")))
    path.rename(home / f"{path.name}.{taken}")
