"""Whether what lies there was made from what is there now: a candidate that failed keeps its version of before."""

from collections.abc import Mapping

from llmops_pipelines.lifecycle.lake import Version

from .candidates import EvaluationError


def made_from(versions: Mapping[str, Version], name: str, *parents: Version) -> Version:
    """The version of candidate `name`. Raises `EvaluationError` when there is none, or it was made from other parents."""
    if name not in versions:
        raise EvaluationError(f"candidate {name} failed and has no version; see its log, then materialize it again")
    found = versions[name]
    for parent in parents:
        if found.parents.get(parent.asset) != parent.digest:
            raise EvaluationError(
                f"{found.asset} was made from another version of {parent.asset}; materialize {found.asset} again"
            )
    return found
