"""The tuning process on a model of 30,000 weights: it learns, resumes exactly, and refuses what it cannot do."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from safetensors.numpy import load_file, save_file

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.index import Embedder
from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.training import TrainingError
from llmops_pipelines.lifecycle.training.contrastive import adopt, embedder_is_sound, tune_embedder

from .tiny_bert import CLUSTERS, recipe, subprocess_run, tiny_bert, tiny_pairs

WEIGHTS = "model/model.safetensors"


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory) -> Embeddings:
    return tiny_bert(tmp_path_factory.mktemp("tiny") / "bert")


def tuned_in(home: Path, embeddings: Embeddings, run=subprocess_run, clusters=CLUSTERS, **changes):
    lake = Lake(home / "lake", "isles")
    return tune_embedder(lake, tiny_pairs(lake, clusters), None, embeddings, recipe(**changes), home, run)


@pytest.fixture(scope="module")
def undisturbed(embeddings, tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed")
    return home, tuned_in(home, embeddings)


def never(command, variables):
    raise AssertionError("nothing was to be started")


@pytest.mark.slow
def test_it_finds_more_of_what_it_was_never_trained_on(undisturbed):
    _, version = undisturbed
    found = version.json("embedder")
    assert found["better"] and found["mrr_at_10"]["after"] > found["mrr_at_10"]["before"] + 0.2, found
    assert found["questions"] + found["pairs"] == len(CLUSTERS) == found["passages"]
    ranks = version.table("ranks").to_pylist()
    assert len(ranks) == found["questions"] and all(row["after"] >= 1 for row in ranks)


@pytest.mark.slow
def test_the_result_is_sound_and_a_changed_one_is_not(undisturbed, tmp_path):
    _, version = undisturbed
    sound, answers = embedder_is_sound(version)
    assert sound, answers
    copy = type(version)(version.pipeline, version.asset, tmp_path / "copy", version.manifest)
    shutil.copytree(version.path, copy.path)
    weights = load_file(copy.file(WEIGHTS))
    save_file({name: value * 1.01 for name, value in weights.items()}, copy.file(WEIGHTS))
    assert not embedder_is_sound(copy)[0]


@pytest.mark.slow
def test_it_is_tuned_once_and_how_often_it_is_saved_does_not_matter(undisturbed, embeddings):
    home, version = undisturbed
    again = tuned_in(home, embeddings, never, save_every=7)
    assert again.reused and again.digest == version.digest
    assert list((home / "training").glob("*/result")) == []


@pytest.mark.slow
def test_the_lines_to_adopt_it_open_the_tuned_model(undisturbed):
    home, version = undisturbed
    adopted = adopt(version, home)
    settings = Embeddings(**yaml.safe_load(adopted.yaml)["embeddings"])
    vectors = Embedder.open(settings).embed(["q1 q2", "p1 p2 p1", "p7 p8 p7"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert adopt(version, home) == adopted


@pytest.mark.slow
@pytest.mark.parametrize("step", [4, 12])
def test_a_killed_run_resumes_and_learns_the_same(undisturbed, embeddings, tmp_path, step):
    _, expected = undisturbed

    def killed(command, variables):
        process = subprocess.Popen(command, env={**os.environ, **variables, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        manifest = Path(command[-1]).parent / "checkpoints" / f"checkpoint-{step}" / "manifest.json"
        while not manifest.is_file() and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        raise subprocess.CalledProcessError(process.returncode, command)

    with pytest.raises(TrainingError, match=rf"the next run resumes after step ({step}|{step + 1}|{step + 2})$"):
        tuned_in(tmp_path, embeddings, killed, save_every=1)
    version = tuned_in(tmp_path, embeddings, save_every=1)
    assert version.facts["resumed_from_step"] >= step
    assert version.digest == expected.digest


@pytest.mark.slow
def test_an_altered_checkpoint_is_set_aside_by_name(undisturbed, embeddings, tmp_path):
    _, expected = undisturbed
    said = []

    def stopped(command, variables):
        subprocess_run(command, variables)
        work = Path(command[-1]).parent
        shutil.rmtree(work / "result")
        newest = max((work / "checkpoints").iterdir(), key=lambda path: int(path.name.split("-")[1]))
        (newest / "state.safetensors").write_bytes(b"other")
        raise subprocess.CalledProcessError(1, command)

    def listened(command, variables):
        said.extend(json.loads(Path(command[-1]).read_text())["notes"])
        subprocess_run(command, variables)

    with pytest.raises(TrainingError, match="exit status 1"):
        tuned_in(tmp_path, embeddings, stopped, save_every=5)
    assert tuned_in(tmp_path, embeddings, listened, save_every=5).digest == expected.digest
    assert len(said) == 1 and said[0].endswith("was set aside, state.safetensors was altered after it was saved")


def test_one_document_cannot_be_learnt_from_and_measured_on(embeddings, tmp_path):
    with pytest.raises(TrainingError, match=r"held_out: 0.3 puts \d of 1 pairs .* leaves \d to learn from, both need some"):
        tuned_in(tmp_path, embeddings, clusters=CLUSTERS[:1])


def test_hard_negatives_that_were_not_searched_are_missed(embeddings, tmp_path):
    with pytest.raises(TrainingError, match="negatives.per_pair"):
        tuned_in(tmp_path, embeddings, never, negatives={"per_pair": 1})


def test_a_model_with_another_pooling_is_refused(tmp_path):
    strange = tiny_bert(tmp_path / "bert", pooling_mode_mean_tokens=False, pooling_mode_max_tokens=True)
    with pytest.raises(TrainingError, match="cannot be tuned here, only BERT with mean or cls pooling"):
        tuned_in(tmp_path, strange, never)


def test_other_weights_than_the_pipelines_are_refused(embeddings, tmp_path):
    other = embeddings.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(TrainingError, match=r"embeddings.sha256: .* the settings say 0000"):
        tuned_in(tmp_path, other)
