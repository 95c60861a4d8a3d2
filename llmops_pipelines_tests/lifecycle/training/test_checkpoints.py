"""Which checkpoint a killed run resumes from: the newest that is complete and unaltered, never merely the newest."""

import json
import shutil

import pytest

from llmops_pipelines.lifecycle.training import TrainingError, checkpoints

SHARDS = [f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in range(2)]


def write_checkpoint(home, step, *, seal=True, without=()):
    """The files that DeepSpeed and the Trainer leave at `step`, for two ranks."""
    folder = home / f"checkpoint-{step}"
    names = ["adapter_model.safetensors", "scheduler.pt", "rng_state_0.pth", "rng_state_1.pth", "trainer_state.json"]
    names += [checkpoints.LOG, *(f"global_step{step}/{name}" for name in [*SHARDS, "mp_rank_00_model_states.pt"])]
    for name in names:
        if name not in without:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} of step {step}")
    (folder / "latest").write_text(f"global_step{step}")
    if seal:
        checkpoints.seal_checkpoint(folder, step, ranks=2)
    return folder


@pytest.fixture
def home(tmp_path):
    return tmp_path / "work" / "checkpoints"


def test_the_newest_complete_checkpoint_is_chosen(home):
    for step in (5, 100, 20):
        write_checkpoint(home, step)
    choice = checkpoints.choose(home)
    assert choice == checkpoints.Choice(home / "checkpoint-100", 100, (), ranks=2)


def test_without_checkpoints_training_starts_from_the_start(home):
    assert checkpoints.choose(home) == checkpoints.Choice(None, 0, ())


def damage_manifest(folder):
    (folder / "manifest.json").unlink()


def flip_one_bit(folder):
    path = folder / "global_step10" / SHARDS[1]
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)


def lose_a_shard(folder):
    (folder / "global_step10" / SHARDS[0]).unlink()


def empty_latest(folder):
    (folder / "latest").write_text("")


def cut_manifest(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:50])


def pretend_without_random_state(folder):
    """A manifest that agrees with its folder, of a save that never held the second rank's random state."""
    (folder / "rng_state_1.pth").unlink()
    (folder / "manifest.json").unlink()
    checkpoints.seal(folder, step=10, ranks=2)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (damage_manifest, "incomplete"),
        (flip_one_bit, f"{SHARDS[1]} was altered"),
        (lose_a_shard, f"{SHARDS[0]} is missing"),
        (empty_latest, "latest was altered"),
        (cut_manifest, "manifest.json cannot be read"),
        (pretend_without_random_state, "rng_state_1.pth is missing"),
    ],
)
def test_a_harmed_checkpoint_is_named_set_aside_and_not_used(home, harm, reason):
    write_checkpoint(home, 5)
    harm(write_checkpoint(home, 10))
    choice = checkpoints.choose(home)
    assert choice.step == 5
    assert len(choice.notes) == 1 and choice.notes[0].startswith("checkpoint-10 was set aside") and reason in choice.notes[0]
    assert (home.parent / "set_aside" / "checkpoint-10.0").is_dir()
    write_checkpoint(home, 10)  # the same step can be saved again
    assert checkpoints.choose(home).step == 10


def say_nothing_of_ranks(folder):
    (folder / "manifest.json").unlink()
    checkpoints.seal(folder, step=10)


def test_a_checkpoint_knows_how_many_ranks_saved_it(home):
    write_checkpoint(home, 5)
    say_nothing_of_ranks(write_checkpoint(home, 10))
    choice = checkpoints.choose(home)
    assert (choice.step, choice.ranks) == (5, 2) and "does not say how many ranks" in choice.notes[0]


@pytest.mark.parametrize("weights", ["model.safetensors", "model.safetensors.index.json"])
def test_the_weights_of_a_whole_model_do_as_well_as_those_of_an_adapter(home, weights):
    folder = write_checkpoint(home, 5, seal=False, without=["adapter_model.safetensors"])
    with pytest.raises(TrainingError, match="adapter_model.safetensors was not written"):
        checkpoints.seal_checkpoint(folder, 5, ranks=2)
    (folder / weights).write_text("weights")
    checkpoints.seal_checkpoint(folder, 5, ranks=2)


@pytest.mark.parametrize("lost", ["rng_state_1.pth", f"global_step5/{SHARDS[1]}", "trainer_state.json", checkpoints.LOG])
def test_what_was_not_written_is_not_sealed(home, lost):
    with pytest.raises(TrainingError, match=lost):
        write_checkpoint(home, 5, without=[lost])
    assert not (home / "checkpoint-5" / "manifest.json").exists()


def test_zero_3_needs_the_weights_of_every_rank(home):
    folder = write_checkpoint(home, 5, seal=False)
    (folder / "global_step5" / "mp_rank_00_model_states.pt").rename(
        folder / "global_step5" / "zero_pp_rank_0_mp_rank_00_model_states.pt"
    )
    with pytest.raises(TrainingError, match="zero_pp_rank_1_mp_rank_00_model_states.pt"):
        checkpoints.seal_checkpoint(folder, 5, ranks=2)


def test_the_manifest_lists_every_file_with_size_and_digest(home):
    folder = write_checkpoint(home, 5)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["step"], manifest["ranks"]) == (5, 2)
    assert manifest["files"]["latest"]["bytes"] == len("global_step5")
    assert all(len(entry["sha256"]) == 64 for entry in manifest["files"].values()) and len(manifest["files"]) == 10


def test_two_sealed_checkpoints_are_kept_and_unsealed_ones_left_alone(home):
    for step in (5, 10, 15):
        write_checkpoint(home, step)
    write_checkpoint(home, 20, seal=False)
    checkpoints.prune(home)
    assert {path.name for path in home.iterdir()} == {"checkpoint-10", "checkpoint-15", "checkpoint-20"}


def test_a_folder_is_sealed_once(home):
    folder = write_checkpoint(home, 5)
    with pytest.raises(TrainingError, match="sealed already"):
        checkpoints.seal(folder)
    shutil.rmtree(folder)
    assert checkpoints.problem(folder) is not None
