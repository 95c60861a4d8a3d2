"""The model: identity without loading it, refusal of other weights, and the vectors of sentence-transformers."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.index import Embedder, IndexingError

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = ["The ferry leaves at nine.", "Departure of the boat: 09:00.", "NASA's Café — naïve ﬁ 渡輪", "word " * 90, "x"]


def test_vectors_have_unit_length_and_meaning() -> None:
    vectors = Embedder.open(Embeddings()).embed(TEXTS)
    assert vectors.shape == (5, 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    near = vectors @ vectors[0]
    assert near[1] > 0.5 > near[4]


def test_company_and_order_do_not_change_a_vector() -> None:
    embedder = Embedder.open(Embeddings())
    together, alone = embedder.embed(TEXTS[::-1])[::-1], np.concatenate([embedder.embed([text]) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() > 0.99999


def test_the_fingerprint_needs_no_torch_and_follows_what_matters() -> None:
    code = (
        "import sys; from llmops_pipelines.config.pipeline import Embeddings;"
        "from llmops_pipelines.lifecycle.index import Embedder;"
        "print(Embedder.open(Embeddings()).fingerprint, Embedder.open(Embeddings()).dimension);"
        "assert not {'torch', 'transformers', 'tokenizers', 'numpy', 'huggingface_hub'} & set(sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    opened = Embedder.open(Embeddings())
    assert said == [opened.fingerprint, "384"]
    others = [Embeddings(precision="bf16"), Embeddings(revision="0" * 40)]
    assert len({opened.fingerprint, *(Embedder.open(settings).fingerprint for settings in others)}) == 3


def test_other_weights_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(Embedder.open(Embeddings()).model.folder, folder)
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(1_000_000)
        weights.write(b"\x01")
    copied = Embedder.open(Embeddings(model=str(folder)))
    assert copied.fingerprint == Embedder.open(Embeddings()).fingerprint  # the promise of the settings ...
    with pytest.raises(IndexingError, match="embeddings.sha256"):
        copied.embed(["text"])  # ... is kept when it counts


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Embeddings(model="nobody/nothing"), "hf download nobody/nothing"),
        (Embeddings(model="nobody/nothing", revision=None), "needs embeddings.revision"),
        (Embeddings(model="/tmp"), "no sentence-transformers model"),
    ],
)
def test_a_model_that_is_not_here_is_refused_with_the_way_out(settings: Embeddings, said: str) -> None:
    with pytest.raises(IndexingError, match=said):
        Embedder.open(settings)


@pytest.mark.slow  # the import of sentence-transformers takes 6 s
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of its imports
def test_vectors_are_those_of_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    embedder = Embedder.open(Embeddings())
    texts = [*TEXTS, "beyond the length that the model reads " * 60]
    theirs = SentenceTransformer(str(embedder.model.folder)).encode(texts)
    assert (embedder.embed(texts) * theirs).sum(axis=1).min() > 0.99999
    rounded = Embedder.open(Embeddings(precision="bf16")).embed(texts)
    assert (rounded * theirs).sum(axis=1).min() > 0.999
    assert (embedder.embed(texts[::-1]) * theirs).sum(axis=1).min() < 0.9  # the comparison can fail
