"""A training killed anywhere (any step or rank, any phase of saving) ends with the weights of one that was not, bit for bit."""

import random

import pytest

from llmops_pipelines.lifecycle.training import TrainingError, checkpoint_is_sound

from . import tiny
from .warm import Kill, Warm

pytestmark = pytest.mark.slow
ROWS, SAVE_EVERY, STEPS = 48, 3, 12
# Everything that a save does, in order, and who does it; {} is the step of the checkpoint
PHASES = (
    Kill(0, "os.mkdir", "checkpoint-{}$"),
    Kill(0, "open", "checkpoint-{}/adapter_config.json"),
    Kill(0, "save", "checkpoint-{}/.*model_states"),
    Kill(1, "save", "checkpoint-{}/.*rank_1_.*optim_states"),
    Kill(0, "open", "checkpoint-{}/latest"),
    Kill(1, "save", "checkpoint-{}/rng_state_1"),
    Kill(0, "open", "checkpoint-{}/trainer_state.json"),
    Kill(0, "open", "checkpoint-{}/training_log.json"),
    Kill(0, "open", "checkpoint-{}/.manifest.json"),
    Kill(0, "os.link", "checkpoint-{}/manifest.json"),
)
LAST = (
    Kill(0, "os.remove", "checkpoint-3/manifest.json"),  # an old checkpoint is being removed
    Kill(0, "shutil.rmtree", "checkpoint-3"),
    Kill(0, "open", "result-.*/outcome.json"),
    Kill(0, "open", "result-.*/.manifest.json"),
    Kill(0, "os.rename", "/result$"),
)


def kills(seed: int, stage: int) -> list[Kill]:
    """For one of ten runs: a step drawn by the seed, two phases of saving, one of the end."""
    place, draw = seed + 5 * (stage == 3), random.Random(f"{seed}/{stage}")
    first, second = PHASES[place], PHASES[(place + 5) % len(PHASES)]
    return [
        Kill(draw.randrange(2), "step", str(draw.randrange(1, SAVE_EVERY + 1))),
        Kill(first.rank, first.event, first.pattern.format(SAVE_EVERY)),
        Kill(second.rank, second.event, second.pattern.format(2 * SAVE_EVERY)),
        LAST[place % len(LAST)],
    ]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("stage", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_killed_four_times_and_yet_the_same_weights(seed, stage, tiny_model, warm_server, tmp_path):
    words = {"seed": seed, "save_every": SAVE_EVERY, "deepspeed": f"configs/deepspeed/zero{stage}.json"}
    whole = tiny.train_in(tmp_path / "whole", tiny_model, Warm(warm_server), ROWS, **words)
    planned = kills(seed, stage)
    run, deaths = Warm(warm_server, list(planned)), 0
    while True:
        try:
            killed = tiny.train_in(tmp_path / "killed", tiny_model, run, ROWS, **words)
            break
        except TrainingError as error:
            assert "the training process failed (" in str(error), run.output
            deaths += 1
    assert (deaths, run.kills) == (len(planned), []), "every kill struck"
    assert killed.digest == whole.digest, "the same weights, bit for bit"
    assert killed.facts["steps"] == STEPS and checkpoint_is_sound(killed)[0]
