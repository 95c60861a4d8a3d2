"""Log lines of libraries about libraries, which nobody who reads a run's log can do anything about."""

import logging

COMPLAIN_ON_IMPORT = ("torchao", "torch.utils._pytree")  # of GPU kernels that are not there, and of each other's enums


def hush() -> None:
    """Call before torch, transformers or PEFT are imported; errors are still told."""
    for name in COMPLAIN_ON_IMPORT:
        logging.getLogger(name).setLevel(logging.ERROR)
