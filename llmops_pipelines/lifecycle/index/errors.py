"""The one error of this stage. Its message is a sentence that names the place, the value and the way out."""

from llmops_pipelines.lifecycle.lake import Refusal


class IndexingError(Refusal):
    """Something that would make a wrong index, or an answer from the wrong one, was refused."""
