"""Fine-tuning: the base model that training starts from, the training process and its checkpoints.

Prompts and examples belong in `datasets/`; what a trained model is worth is measured in `evaluation/`.
"""

from .launch import Tracking, train
from .refusals import TrainingError
from .truth import checkpoint_is_sound
from .weights import base_model

__all__ = ["Tracking", "TrainingError", "base_model", "checkpoint_is_sound", "train"]
