"""What a release needs to answer, now or after a rollback or an approval, is never offered for removal."""

import os

from llmops_pipelines.config.gate import Gate
from llmops_pipelines.config.pipeline import Retention
from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.cleanup import unneeded
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.promotion import promote

from .world import CATALOGUE, GOOD, candidate, world


def offered(moves: Moves) -> set[str]:
    """Which checkpoints a clean-up would take, by what is in them."""
    for held in list(moves.lake._held):
        os.close(moves.lake._held.pop(held))
    lake = Lake(moves.lake.root, moves.lake.pipeline)
    found = unneeded(lake, moves.history, Retention(versions=1, releases=1), moves.lake.root / "training")
    weights = "adapter/adapter_model.safetensors"
    return {each.version.file(weights).read_text() for each in found if each.version and each.version.asset == "checkpoint"}


def test_live_releases_of_all_stages_and_those_that_wait_keep_their_parts(tmp_path):
    moves = world(tmp_path)
    gates = {
        "in_dev": Gate(minimum=0.3, enters="dev"),
        "replaced": Gate(minimum=0.3),
        "live": Gate(minimum=0.3),
        "waiting": Gate(minimum=0.3, approval="manual"),
        "refused": Gate(minimum=0.99),
        "newest": Gate(minimum=0.99),
    }
    for step, (name, gate) in enumerate(gates.items()):
        promote(moves, candidate(moves.lake, name, [score + step / 100 for score in GOOD]), gate, CATALOGUE)
    assert [each.phase for each in moves.history.records()] == ["committed"] * 3 + ["awaiting approval"]
    assert offered(moves) == {"replaced", "refused"}
