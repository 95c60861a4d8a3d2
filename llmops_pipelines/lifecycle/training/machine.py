"""The machine that a recipe would run on: devices, their memory, and whether they multiply bf16. Asked without torch."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from shutil import which


@dataclass(frozen=True)
class Machine:
    """`devices` GPUs of the same kind, or one "cpu" whose memory all ranks share."""

    kind: str
    devices: int
    bytes_per_device: int
    bf16: bool

    @classmethod
    def here(cls) -> "Machine":
        return _gpus() or cls.processor()

    @classmethod
    def processor(cls) -> "Machine":
        import psutil

        said = Path("/proc/cpuinfo")
        flags = said.read_text("utf-8") if said.is_file() else ""
        return cls("cpu", 1, psutil.virtual_memory().total, "amx_bf16" in flags or "avx512_bf16" in flags)


def _gpus() -> Machine | None:
    if which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=memory.total,compute_cap", "--format=csv,noheader,nounits"]
    said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    cards = [line.split(",") for line in said.stdout.splitlines() if line.count(",") == 1]
    if said.returncode or not cards:
        return None
    memory = min(int(size) for size, _ in cards) * 2**20
    return Machine("cuda", len(cards), memory, all(float(capability) >= 8 for _, capability in cards))
