"""Token-exact cutting beside other splitters: speed per core, budget, verbatim slices, and passages changed by one edit.

    python benchmarks/chunking.py --megabytes 4

Text: Markdown and docstrings of this machine, always the same for the same machine. MB/s is per CPU-second of one core, the
splitters take turns, the best of the rounds counts. Absolute figures move with the machine; compare the ratios.
"""

import os

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}

import argparse
import ast
import hashlib
import sysconfig
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle.index.chunkers.chunking import Chunker
from llmops_pipelines.lifecycle.index.chunkers.counting import Plain, load
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles

TOKENS = 128
SMALLEST, LARGEST = 2_000, 200_000  # characters of a document
EDITED = 300  # documents that get one more line in their middle
NEW_LINE = "One more line, which says that number 4711 was added here.\n"

Split = Callable[[str], list[str]]  # text -> passages


@dataclass(frozen=True)
class Row:
    name: str
    mb_per_second: float
    passages: int
    over_budget: int
    verbatim: float
    changed: float
    mean_tokens: float


def gather(megabytes: float) -> list[str]:
    """Half Markdown and reStructuredText, half docstrings of modules, in an order that is always the same."""
    roots = [Path("/usr/share/doc"), Path(sysconfig.get_paths()["stdlib"]), Path(sysconfig.get_paths()["purelib"])]
    written = [path for root in roots for suffix in ("*.md", "*.rst") for path in root.rglob(suffix)]
    modules = [path for root in roots[1:] for path in root.rglob("*.py") if "test" not in str(path)]
    texts: dict[str, None] = {}
    for paths, read in ((written, str), (modules, docstrings)):
        size = 0
        for path in sorted(set(paths), key=lambda path: hashlib.sha256("/".join(path.parts[-4:]).encode()).digest()):
            if size >= megabytes * 500_000:
                break
            try:
                text = read(path.read_text("utf-8"))
            except (OSError, ValueError, SyntaxError, RecursionError):
                continue
            if SMALLEST <= len(text) <= LARGEST and text not in texts:
                texts[text] = None
                size += len(text.encode())
    return list(texts)


def docstrings(source: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source if len(source) < 400_000 else "")
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    parts = [(getattr(node, "name", "module"), ast.get_docstring(node)) for node in named]
    return "\n\n".join(f"## {name}\n\n{text}" for name, text in parts if text)


def ours(by: str, accelerated: bool) -> Split:
    chunker = Chunker(ModelFiles.find(Embeddings()), Chunks(tokens=TOKENS, by=by))
    chunker.__dict__["counter"] = load(chunker.model.path("tokenizer.json"), accelerated=accelerated)
    return lambda text: [text[p.start : p.end] for p in chunker.cut([text])[0]]


def langchain(tokenizer_json: Path) -> Split:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
        _fast(tokenizer_json), chunk_size=TOKENS, chunk_overlap=0
    )
    return splitter.split_text


def llama_index(tokenizer_json: Path) -> Split:
    from llama_index.core.node_parser import SentenceSplitter

    tokenizer = _raw(tokenizer_json)
    count = lambda text: tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
    return SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0, tokenizer=count, include_metadata=False).split_text


def chonkie(tokenizer_json: Path) -> Split:
    from chonkie import RecursiveChunker

    chunker = RecursiveChunker(tokenizer=_raw(tokenizer_json), chunk_size=TOKENS)
    return lambda text: [chunk.text for chunk in chunker.chunk(text)]


def semantic_text_splitter(tokenizer_json: Path) -> Split:
    from semantic_text_splitter import MarkdownSplitter

    return MarkdownSplitter.from_huggingface_tokenizer(_raw(tokenizer_json), TOKENS).chunks


def _raw(tokenizer_json: Path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_json))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _fast(tokenizer_json: Path):
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=_raw(tokenizer_json))


def edited(text: str) -> str:
    middle = text.find("\n", len(text) // 2) + 1 or len(text)
    return text[:middle] + NEW_LINE + text[middle:]


def changed(split: Split, texts: list[str], cut: list[list[str]]) -> float:
    """Share of passages that were not there before, of all passages after one more line in the middle of each text."""
    new = total = 0
    for text, before in zip(texts, cut, strict=True):
        known, after = set(before), split(edited(text))
        new += sum(passage not in known for passage in after)
        total += len(after)
    return new / total


def measure(name: str, split: Split, texts: list[str], cut: list[list[str]], seconds: float, count: Plain) -> Row:
    tokens = count([passage for row in cut for passage in row])
    verbatim = sum(passage in text for text, row in zip(texts, cut, strict=True) for passage in row)
    step = max(1, len(texts) // EDITED)
    return Row(
        name,
        sum(len(text.encode()) for text in texts) / 1e6 / seconds,
        len(tokens),
        sum(n > TOKENS for n in tokens),
        verbatim / len(tokens),
        changed(split, texts[::step][:EDITED], cut[::step][:EDITED]),
        sum(tokens) / len(tokens),
    )


def take_turns(splits: dict[str, Split], texts: list[str], rounds: int) -> dict[str, tuple[float, list[list[str]]]]:
    """Best CPU-seconds of each splitter, and its passages. They take turns: a busy machine is busy for all of them."""
    best: dict[str, tuple[float, list[list[str]]]] = {}
    for _ in range(rounds):
        for name, split in splits.items():
            started = time.process_time()
            cut = [split(text) for text in texts]
            seconds = time.process_time() - started
            best[name] = min(best.get(name, (seconds, cut)), (seconds, cut), key=lambda result: result[0])
    return best


def installed(tokenizer_json: Path) -> Iterator[tuple[str, Split | None]]:
    yield "ours", ours("structure", True)
    yield "ours without tokie", ours("structure", False)
    yield "ours, sentences", ours("sentences", True)
    yield "ours, tokens", ours("tokens", True)
    for make in (langchain, llama_index, chonkie, semantic_text_splitter):
        try:
            yield make.__name__, make(tokenizer_json)
        except ImportError:
            yield make.__name__, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    texts = gather(arguments.megabytes)
    tokenizer_json = ModelFiles.find(Embeddings()).path("tokenizer.json")
    count, found = Plain(_raw(tokenizer_json)), dict(installed(tokenizer_json))
    print(f"{len(texts)} documents, {sum(len(text.encode()) for text in texts) / 1e6:.1f} MB, {TOKENS} tokens, no overlap")
    splits = {name: split for name, split in found.items() if split}
    results = take_turns(splits, texts, arguments.rounds)
    rows = {name: measure(name, split, texts, results[name][1], results[name][0], count) for name, split in splits.items()}
    peers = [row.mb_per_second for name, row in rows.items() if not name.startswith("ours")]
    print(f"{'':24}{'MB/s/core':>10}{'x best peer':>12}{'passages':>10}{'mean':>7}{'over':>7}{'verbatim':>10}{'changed':>9}")
    for name in found:
        if not (row := rows.get(name)):
            print(f"{name:24}{'not installed':>14}")
            continue
        ratio = f"{row.mb_per_second / max(peers):.1f}" if peers else "-"
        print(
            f"{name:24}{row.mb_per_second:10.2f}{ratio:>12}{row.passages:10}{row.mean_tokens:7.1f}{row.over_budget:7}"
            f"{row.verbatim:10.1%}{row.changed:9.1%}"
        )


if __name__ == "__main__":
    main()
