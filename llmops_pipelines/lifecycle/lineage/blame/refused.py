"""The newest candidate that did not become a release."""

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.candidate import Candidate

from .bundles import BlameError


def refused(lake: Lake) -> Candidate:
    """The candidate of the newest decision of the gate. Raises `BlameError` when there is none, or when it was a promotion."""
    decision = lake.current("release")
    if decision is None:
        raise BlameError(f"{lake.pipeline} has no decision about a candidate yet; make one with: llmops run {lake.pipeline}")
    said = decision.json("release")
    if said["outcome"] == "promoted":
        raise BlameError(
            f"the newest candidate of {lake.pipeline} was promoted, as release {said['epoch']}; "
            f"ask without --candidate: llmops blame {lake.pipeline}"
        )
    return Candidate.decided(lake, decision)
