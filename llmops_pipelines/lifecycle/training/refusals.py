"""What training refuses to do, as one sentence with place, value and way out."""

from ..lake import Refusal


class TrainingError(Refusal):
    """Training could not start, was refused or failed. The text is one sentence for the person who reads the run."""
