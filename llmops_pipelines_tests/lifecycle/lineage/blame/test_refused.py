"""The newest refused candidate is put together again from the gate's decision, and can be blamed like a release."""

from dataclasses import replace

import pytest

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.lineage.blame import BlameError, Doors, blame
from llmops_pipelines.lifecycle.lineage.blame.refused import refused
from llmops_pipelines.lifecycle.release.candidate import Candidate

from .test_blaming import SPOILT, poisoned
from .world import Product


def decided(lake: Lake, candidate: Candidate, outcome: str) -> None:
    """What the gate writes down about a candidate."""
    said = {"outcome": outcome, "candidate": "extractive", "bundle": candidate.bundle, "epoch": 3}
    said |= {"parts": candidate.named, "settings": candidate.settings, "described": candidate.described}
    parents = list(candidate.parts.values())
    version = lake.once("release", code="4", config=said, parents=parents, write=lambda draft: draft.json("release", said))
    lake.point(version)


def test_a_refused_candidate_has_the_parts_that_were_decided_about(lake):
    wanted = poisoned(Product(), *SPOILT).made(lake)
    decided(lake, wanted, "refused")
    found = refused(lake)
    assert found.bundle == wanted.bundle
    assert {role: part.digest for role, part in found.parts.items()} == {r: part.digest for r, part in wanted.parts.items()}
    verdict = blame(lake, Product().made(lake), found, Doors(), names=("release 1", "the refused candidate"))
    assert verdict.parts[0].name == "documents" and "release 1" not in verdict.parts[0].said


def test_a_promoted_candidate_is_a_release_and_no_decision_is_none(lake, tmp_path):
    wanted = Product().made(lake)
    decided(lake, wanted, "promoted")
    with pytest.raises(BlameError, match="was promoted, as release 3; ask without --candidate"):
        refused(lake)
    with pytest.raises(BlameError, match="has no decision about a candidate yet"):
        refused(replace(lake, root=tmp_path))
