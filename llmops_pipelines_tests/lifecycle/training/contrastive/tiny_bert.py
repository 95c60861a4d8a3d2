"""An embedding model of 30,000 random weights over a made-up language, and pairs that it can learn from in seconds.

Passages are written in one set of words (p0, p1, ...), questions in another (q0, q1, ...): only training can tell that q3
asks for p3. Pairs of held-out clusters are combinations of words that were never seen together.
"""

import hashlib
import json
import os
import subprocess
from itertools import combinations
from pathlib import Path

import pyarrow as pa

from llmops_pipelines.config.embedder_recipe import EmbedderRecipe
from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.lake import Lake, Version

TOPICS = 12
CLUSTERS = [f"c{first}-{second}" for first, second in combinations(range(TOPICS), 2)]
FAST = {"epochs": 12, "learning_rate": 0.01, "batch_size": 8, "dropout": 0.0, "negatives": {"per_pair": 0}, "precision": "fp32"}


def tiny_bert(folder: Path, **shape) -> Embeddings:
    """Save the model as sentence-transformers does, and the settings that open it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"{kind}{n}" for kind in "pq" for n in range(TOPICS))]
    core = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=32, initializer_range=0.2, **sizes)
    BertModel(config).save_pretrained(folder)
    core.save(str(folder / "tokenizer.json"))
    (folder / "1_Pooling").mkdir()
    listing = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": n, "path": path, "type": f"sentence_transformers.models.{kind}"} for n, (path, kind) in enumerate(listing)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True, **shape}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return Embeddings(model=str(folder), revision=None, sha256=sha256)


def tiny_pairs(lake: Lake, clusters: list[str] = CLUSTERS) -> Version:
    """One passage and one question for each cluster, which stands for the two words that they are about."""
    numbers = [cluster[1:].split("-") for cluster in clusters]
    chunks = [f"chunk-{cluster}" for cluster in clusters]
    texts = [f"p{one} p{two} p{one}" for one, two in numbers]
    questions = [f"q{two} q{one}" for one, two in numbers]

    def write(draft) -> None:
        pairs = {"pair_id": clusters, "question": questions, "answer": [f"p{one}" for one, _ in numbers], "chunk_id": chunks}
        draft.table("embedder_pairs", pa.table({**pairs, "cluster": clusters, "origin": ["question"] * len(clusters)}))
        draft.table("passages", pa.table({"chunk_id": chunks, "cluster": clusters, "text_hash": texts, "text": texts}))

    return lake.once("embedder_pairs", code="1", config=clusters, parents=[], write=write)


def recipe(**changes) -> EmbedderRecipe:
    return EmbedderRecipe(method="embedder", **{**FAST, **changes})


def subprocess_run(command: list[str], variables: dict[str, str]) -> None:
    one_thread = {"OMP_NUM_THREADS": "1"}  # on a busy machine two threads wait for each other longer than they work
    subprocess.run(command, env={**os.environ, **variables, **one_thread}, check=True, capture_output=True, text=True)
