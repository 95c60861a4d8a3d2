"""What this machine computes with, and whether bf16 is a number format of its own there or emulated (then slower than fp32)."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CPU = Path("/proc/cpuinfo")
BF16 = {"amx_bf16", "avx512_bf16", "bf16"}  # flags of Intel and AMD, the last one of ARM


@lru_cache
def device() -> "torch.device":
    """A GPU where there is one."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def bf16_in_hardware(where: str, cpu: Path = CPU) -> bool:
    """`where` is the type of a device. A processor that does not tell its abilities counts as one without."""
    if where == "cuda":
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)
    if where == "mps":
        return True
    if not cpu.is_file():
        return False
    lines = cpu.read_text("utf-8", "replace").splitlines()
    flags = next((line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features"))), "")
    return bool(BF16 & set(flags.split()))
