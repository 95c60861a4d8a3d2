"""What the bootstrap run reads: passages of real documents, the tokenizer, and batches of rendered drills.

Only documents on the training side of the product's split are learnt from; held-out ones are opened only to leave their copies
out. Tables and files of many rows stay out, for their rows are split one by one. The training loop belongs in `train.py`.
"""

import html
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.datasets import side
from llmops_pipelines.lifecycle.datasets.wording import copied_from, owners
from llmops_pipelines.lifecycle.training.bootstrap.drills import make_drill, render
from llmops_pipelines.lifecycle.training.bootstrap.frames import parse_frames

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

HELD_OUT = 0.5  # questions.held_out of the quickstart
BOS, EOS, PAD = "<s>", "</s>", "<pad>"
WORDS = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s"


def is_bootstrap_document(path: str) -> bool:
    """Whether the document at `path` (below the folder of the quickstart's source `handbook`) may be read here.

    Only documents on the training side of the product's own split may, so that held-out ones are new to every model.
    """
    return side(f"handbook/{path}", HELD_OUT) == "train"


def plain_text(path: Path) -> str:
    """The readable text of a Markdown, HTML or text file; paragraphs are parted by empty lines."""
    raw = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        raw = re.sub(r"(?s)<(script|style|head).*?</\1>|<!--.*?-->", " ", raw)
        raw = re.sub(r"\s*</?(?:p|h\d|tr|ul|ol|table|div|section|dl|dt)\b[^>]*>\s*", "\n\n", raw)
        return html.unescape(re.sub(r"[ \t]+", " ", re.sub(r"<[^>]+>", " ", raw)))
    return raw


def readable(folder: Path, suffixes: list[str]) -> list[str]:
    """Texts of the documents below `folder` that may be read, in order of path; copies of held-out ones are left out."""
    texts = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.suffix in suffixes}
    held = owners({name: plain_text(path) for name, path in texts.items() if not is_bootstrap_document(name)})
    allowed = [plain_text(path) for name, path in texts.items() if is_bootstrap_document(name)]
    return [text for text in allowed if copied_from(text, held) is None]


def read_passages(folder: Path, suffixes: list[str], words: int = 70) -> list[str]:
    """Passages of about `words` words of the readable documents below `folder`."""
    passages = []
    for text in readable(folder, suffixes):
        taken: list[str] = []
        for part in [p.strip() for p in re.split(r"\n\s*\n", text) if p.strip()] + [""]:
            if taken and (not part or sum(len(t.split()) for t in taken) + len(part.split()) > words):
                passages.append("\n\n".join(taken))
                taken = []
            taken.append(part)
    return passages


def train_tokenizer(seed: int, vocabulary: int, drills: int, passages: list[str]) -> "Tokenizer":
    """A byte-level BPE over drills and passages; every digit is a token of its own and no text is unknown."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    rng, frames = random.Random(seed), parse_frames()
    mix = {"statements": 0.8, "recall": 0.2}
    texts = ["".join(t for _, t in render(rng, make_drill(rng, mix, 200, [], frames))) for _ in range(drills)]
    tokenizer = Tokenizer(models.BPE())
    pieces = pre_tokenizers.Split(Regex(WORDS), "isolated")
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pieces, in_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    # The passages count several times: the words of real documents are the ones the product's prompts consist of.
    tokenizer.train_from_iterator(texts + passages * 8, trainer)
    return tokenizer


class Batches:
    """Rows of packed drills: token ids, and the chance of each token to be learnt from; all follows from seed and step."""

    def __init__(self, tokenizer: "Tokenizer", passages: list[str], seed: int) -> None:
        self.tokenizer, self.passages, self.seed = tokenizer, passages, seed
        self.rng, self.frames = random.Random(seed), parse_frames()
        self.eos, self.size = tokenizer.token_to_id(EOS), tokenizer.get_vocab_size()

    def induction_row(self, length: int) -> tuple[list[int], list[float]]:
        """Random tokens in which spans come back later; only what comes back, after its first token, is learnt from."""
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) < length:
            if len(ids) > 12 and self.rng.random() < 0.5:
                start = self.rng.randrange(len(ids) - 8)
                span = ids[start : start + self.rng.randint(4, 24)]
                ids += span
                weights += [0.0, *([1.0] * (len(span) - 1))]
            else:
                fresh = self.rng.randint(4, 16)
                ids += [self.rng.randrange(3, self.size) for _ in range(fresh)]
                weights += [0.0] * fresh
        return ids[:length], weights[:length]

    def drill_row(
        self, length: int, context: int, mix: dict[str, float], learn_from: dict[str, float]
    ) -> tuple[list[int], list[float]]:
        """Rendered drills one after another until `length` tokens are full; a drill that is cut off stays cut off."""
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) < length:
            drill = make_drill(self.rng, mix, min(context, length - len(ids)), self.passages, self.frames)
            for part, text in render(self.rng, drill):
                tokens = self.tokenizer.encode(text).ids
                ids += tokens
                weights += [learn_from[part]] * len(tokens)
            ids.append(self.eos)
            weights.append(learn_from["answer"])
        return ids[:length], weights[:length]

    def batch(
        self, step: int, rows: int, length: int, context: int, mix: dict[str, float], learn_from: dict[str, float]
    ) -> tuple["np.ndarray", "np.ndarray"]:
        """(ids, chances), both `rows` x `length`; the share `induction` of `mix` are rows of random tokens."""
        import numpy as np

        self.rng.seed(self.seed * 1_000_003 + step)  # a step's batch depends on no other step: a run can go on anywhere
        drills = {kind: share for kind, share in mix.items() if kind != "induction"}
        made = []
        for _ in range(rows):
            random_tokens = self.rng.random() < mix.get("induction", 0.0) or not drills
            made.append(self.induction_row(length) if random_tokens else self.drill_row(length, context, drills, learn_from))
        return np.array([m[0] for m in made], dtype=np.int64), np.array([m[1] for m in made], dtype=np.float32)
