"""Near-duplicates of passage-size texts: documents per CPU second from text to verified pairs, beside datasketch and gaoya.

    python benchmarks/near_duplicates.py --documents 20000        (peers: pip install datasketch gaoya)

One text in ten is a copy of another with one or two words replaced. `recall` is of those copies, `precision` of all pairs
that a method reports, both against the exact similarity of three-word sequences. Each has one thread and at most 128 hashes.
"""

import argparse
import ast
import importlib.util
import os
import random
import re
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # before gaoya starts its threads

import numpy as np

from llmops_pipelines.lifecycle.corpus.similarity import duplicates

SIMILARITY = 0.7
CHARACTERS = 440
Pairs = set[tuple[int, int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000)
    texts, planted = corpus(parser.parse_args().documents)
    print(f"{len(texts):,} texts, {sum(map(len, texts)) / 1e6:.1f} MB, {len(planted):,} planted pairs at {SIMILARITY}\n")
    print("| method | documents/s | MB/s | recall | precision | ratio |\n|---|---|---|---|---|---|")
    methods = {"datasketch": with_datasketch, "gaoya": with_gaoya, "ours, verified": ours}
    first = None
    for name, method in methods.items():
        if name in ("datasketch", "gaoya") and not importlib.util.find_spec(name):
            print(f"| {name} | not installed | | | | |")
            continue
        pairs, seconds = best_of(method, texts)
        first = first or seconds
        true = sum(jaccard(texts[a], texts[b]) >= SIMILARITY for a, b in pairs)
        print(
            f"| {name} | {len(texts) / seconds:,.0f} | {sum(map(len, texts)) / seconds / 1e6:.1f} "
            f"| {len(planted & pairs) / len(planted):.3f} | {true / max(1, len(pairs)):.3f} | {first / seconds:.1f} |"
        )


def best_of(method: Callable[[list[str]], Pairs], texts: list[str], runs: int = 3) -> tuple[Pairs, float]:
    """Pairs found and CPU seconds of all threads, in the fastest of some runs; the first also pays for imports."""
    fastest, pairs = float("inf"), set()
    for _ in range(runs):
        start = time.process_time()
        pairs = method(texts)
        fastest = min(fastest, time.process_time() - start)
    return pairs, fastest


def ours(texts: list[str]) -> Pairs:
    parts = [duplicates.profiles(texts[n : n + 4096], SIMILARITY) for n in range(0, len(texts), 4096)]
    bands, sizes = (np.concatenate([part[name] for part in parts]) for name in ("bands", "sizes"))
    pairs = duplicates.candidate_pairs(bands, sizes, SIMILARITY)
    jaccards = np.zeros(len(pairs))
    for part in duplicates.batches(pairs, sizes):
        rows, places = np.unique(pairs[part], return_inverse=True)
        jaccards[part] = duplicates.verify(places.reshape(-1, 2), [texts[row] for row in rows])
    _, near = duplicates.similar(pairs, jaccards, np.arange(len(texts)), SIMILARITY)
    return set(map(tuple, near.tolist()))


def with_datasketch(texts: list[str]) -> Pairs:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=SIMILARITY, num_perm=128)
    pairs = set()
    shingles = ([" ".join(words).encode() for words in sequences(text)] for text in texts)
    for number, sketch in enumerate(MinHash.generator(shingles, num_perm=128)):
        pairs.update((other, number) for other in index.query(sketch))
        index.insert(number, sketch)
    return pairs


def with_gaoya(texts: list[str]) -> Pairs:
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=SIMILARITY,
        num_bands=25,
        band_size=5,
        analyzer="word",
        lowercase=True,
        ngram_range=(3, 3),
    )
    pairs = set()
    for number, text in enumerate(texts):
        pairs.update((other, number) for other in index.query(text))
        index.insert_document(number, text)
    return pairs


def sequences(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return set(zip(words, words[1:], words[2:], strict=False)) or {tuple(words)}


def jaccard(a: str, b: str) -> float:
    first, second = sequences(a), sequences(b)
    return len(first & second) / len(first | second)


def corpus(documents: int) -> tuple[list[str], Pairs]:
    """Passages of the documentation inside installed Python packages, and copies with small edits; always the same here."""
    drawn = random.Random(7)
    originals = list(dict.fromkeys(passages(documents * 10 // 11)))
    texts, planted = list(originals), set()
    for place in drawn.sample(range(len(originals)), len(originals) // 10):
        words = re.findall(r"\w+|\W+", originals[place])
        for _ in range(drawn.choice((1, 2))):
            spot = drawn.choice([n for n, word in enumerate(words) if word[0].isalnum()])
            words[spot] = f"edit{drawn.randrange(10**6)}"
        texts.append("".join(words))
        if jaccard(originals[place], texts[-1]) >= SIMILARITY:
            planted.add((place, len(texts) - 1))
    return texts, planted


def passages(count: int) -> list[str]:
    found: list[str] = []
    for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")):
        for path in sorted(Path(folder).rglob("*.py")):
            if len(found) >= count:
                return found[:count]
            found += [
                text[start : start + CHARACTERS]
                for text in docstrings(path)
                for start in range(0, len(text) - CHARACTERS // 2, CHARACTERS)
            ]
    return found


def docstrings(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return []
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, documented))
    return [re.sub(r"[ \t]+", " ", text) for text in found if text]


if __name__ == "__main__":
    main()
