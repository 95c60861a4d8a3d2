"""The stage `base_model`: finds the model that training starts from and proves that it is the one the recipe names.

Reads safetensors headers and hashes files; nothing here loads a model.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import Draft, Lake, Version, digest
from ..lake.digests import file_digest
from .refusals import TrainingError

if TYPE_CHECKING:
    from ...config.recipe import BaseModelWords

CODE = "base_model-1"
WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
# Everything a causal language model is loaded from; other files (pickled weights, Python code) are never read.
READ = (
    *("config.json", "generation_config.json", WEIGHTS, SHARDS, "model-*-of-*.safetensors", "tokenizer.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "vocab.json"),
    *("merges.txt", "chat_template.jinja", "chat_template.json"),
)


def base_model(lake: Lake, base: "BaseModelWords", project: Path, name: str = "base_model") -> Version:
    """The verified base model as the version of asset `name`.

    json "base_model" holds the absolute `folder` and what was found there; json "files" (name -> sha256) is the identity:
    the same files elsewhere are the same base model. Raises `TrainingError` when files are missing or differ.
    """
    folder = _locate(base, project)
    files = {path.name: file_digest(path) for pattern in READ for path in sorted(folder.glob(pattern)) if path.is_file()}
    _check(folder, files, base.sha256)

    def write(draft: Draft) -> None:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        facts = {
            "parameters": _parameters(folder, files),
            "vocabulary": config.get("vocab_size"),
            "layers": config.get("num_hidden_layers"),
            "width": config.get("hidden_size"),
            "licence": base.licence,
            "weights_sha256": weights_digest(files),
        }
        draft.json("files", files)
        draft.json("base_model", {**facts, "files": files, "folder": str(folder)}, data=False)
        size = sum((folder / name).stat().st_size for name in files)
        draft.facts.update({k: v for k, v in facts.items() if v is not None}, megabytes=round(size / 1e6, 1))

    settings = {"folder": str(folder), "files": files, "licence": base.licence}
    return lake.once(name, code=CODE, config=settings, parents=[], write=write)


def weights_digest(files: dict[str, str]) -> str:
    """sha256 of model.safetensors; of a model in several shards, the digest of {shard name: sha256}."""
    if WEIGHTS in files:
        return files[WEIGHTS]
    return digest({name: value for name, value in files.items() if name.endswith(".safetensors")})


def _locate(base: "BaseModelWords", project: Path) -> Path:
    if base.path:
        folder = (project / base.path).resolve()
        if not folder.is_dir():
            raise TrainingError(f"base.path: {folder} is not a folder; put the base model there or name another one")
        return folder
    return _from_hub(base.hub, base.revision)


def _from_hub(name: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(READ), local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(READ)))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise TrainingError(
            f"base.hub: {name}@{revision[:12]} is neither in the local cache nor could it be downloaded "
            f"({type(error).__name__}); download it once with a connection, or set base.path to a folder"
        ) from error


def _check(folder: Path, files: dict[str, str], expected: str) -> None:
    if not any(name.endswith(".safetensors") for name in files):
        raise TrainingError(
            f"{folder}: no {WEIGHTS}; only safetensors weights are read (pickled ones can run code): convert them"
        )
    if missing := {"config.json", "tokenizer.json"} - set(files):
        raise TrainingError(
            f"{folder}: {', '.join(sorted(missing))} missing; a base model needs its configuration and tokenizer"
        )
    if (actual := weights_digest(files)) != expected:
        raise TrainingError(
            f"{folder}: the weights have sha256 {actual}, the recipe says {expected}; restore the right file, or set "
            f"base.sha256 to the first value if this model is wanted"
        )
    for name in ("config.json", "tokenizer_config.json"):
        if name in files and "auto_map" in _read_json(folder / name):
            raise TrainingError(
                f"{folder / name}: auto_map asks to run code of the model; only built-in architectures are used"
            )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise TrainingError(f"{path}: not JSON ({error}); restore the file") from error


def _parameters(folder: Path, files: dict[str, str]) -> int:
    from safetensors import SafetensorError, safe_open

    total = 0
    for name in files:
        if name.endswith(".safetensors"):
            try:
                with safe_open(folder / name, framework="numpy") as tensors:
                    for key in tensors.keys():  # noqa: SIM118  (safe_open is not a mapping)
                        size = 1
                        for side in tensors.get_slice(key).get_shape():
                            size *= side
                        total += size
            except SafetensorError as error:
                raise TrainingError(f"{folder / name}: not a safetensors file ({error}); restore it") from error
    return total
