"""Whether what lies there was made from what is there now, and which attempt at it is the next one."""

from collections.abc import Mapping, Sequence
from typing import Any

from llmops_pipelines.lifecycle.lake import Lake, Version, fingerprint

from .candidates import EvaluationError

ATTEMPTS = 5  # after which questions that an endpoint failed on are not asked again until something changes


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


def attempt(lake: Lake, asset: str, code: str, config: Mapping[str, Any], parents: Sequence[Version]) -> int:
    """The first attempt that was not made yet, or that left no question without an answer (fact `failed`), or the last."""
    read = {parent.asset: parent.digest for parent in parents}
    for number in range(ATTEMPTS - 1):
        version = lake.find(asset, fingerprint(code, {**config, "attempt": number}, read))
        if version is None or not version.facts["failed"]:
            return number
    return ATTEMPTS - 1
