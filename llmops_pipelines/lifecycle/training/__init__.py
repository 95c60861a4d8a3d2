"""Fine-tuning: the base model that training starts from, the training process and its checkpoints.

Prompts and examples belong in `datasets/`; what a trained model is worth is measured in `evaluation/`.
"""

from .launch import CODE as _TRAIN
from .launch import train
from .refusals import TrainingError
from .truth import checkpoint_is_sound
from .weights import CODE as _BASE
from .weights import base_model
from .work import Tracking

CODES = {"base_model": _BASE, "checkpoint": _TRAIN}

__all__ = ["CODES", "Tracking", "TrainingError", "base_model", "checkpoint_is_sound", "train"]
