"""Files to a searchable index, cold: ours beside LangChain's token splitter, sentence-transformers and Qdrant's local mode.
Then ours alone on 1,000 and 10,000 documents, to see whether time is linear and memory is not.

    python benchmarks/whole_path.py --megabytes 20 --documents 1000 10000 100000

Every run is a new process; what it imports and loads counts, as in a nightly run. Both embed with all-MiniLM-L6-v2 and cut
at 128 of its tokens. Ours also cleans, treats personal data, finds near-duplicates, and builds a lexical index.
`--dagster` adds what Dagster costs around five steps in each layout (a minute more).
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import corpus as generated
import incremental_peers
import psutil
import texts

OURS, USUAL = "ours", "the usual stack"
NEEDS = ("langchain_text_splitters", "sentence_transformers", "qdrant_client")
TOKENS = 128
PORTION = 1_000  # points per upsert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=2.0, help="of real text; 0 leaves this part out")
    parser.add_argument("--documents", type=int, nargs="*", default=[1_000, 10_000], help="sizes of the generated corpus")
    parser.add_argument("--characters", type=int, default=600, help="of a generated document")
    parser.add_argument("--dagster", action="store_true", help="add what Dagster costs around five steps")
    parser.add_argument("--child", nargs=3, metavar=("SYSTEM", "FOLDER", "STATE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        system, folder, state = arguments.child
        print(json.dumps({OURS: ours, USUAL: usual, "scale": scale}[system](Path(folder), Path(state))))
        return
    if arguments.megabytes:
        compare(arguments.megabytes, arguments.dagster)
    if arguments.documents:
        grow(arguments.documents, arguments.characters)


def compare(megabytes: float, dagster: bool) -> None:
    with tempfile.TemporaryDirectory() as room:
        size = texts.write(Path(room, "texts"), texts.gather(round(megabytes * 160), megabytes))
        print(f"Real text, {size / 1e6:.1f} MB:\n\n| | {' | '.join(('seconds', 'by step'))} |\n|---|---|---|")
        took = {}
        for system in (USUAL, OURS):
            if system == USUAL and not all(map(importlib.util.find_spec, NEEDS)):
                print(f"| {system} | not installed | |")
                continue
            steps, points = in_a_child(system, Path(room))
            if dagster:
                import dagster_overhead

                steps["dagster"] = dagster_overhead.around_five_steps(classic=system == USUAL)
            took[system] = sum(steps.values())
            told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in steps.items())
            print(f"| {system}, {points:,} points | {took[system]:.1f} | {told} |", flush=True)
        if len(took) == 2:
            print(f"\nOurs is {took[USUAL] / took[OURS]:.1f} times as fast.\n")


def in_a_child(system: str, room: Path) -> tuple[dict[str, float], int]:
    """Seconds by step; what no step accounts for is the start of the process and its imports."""
    state = room / f"state-{system.replace(' ', '-')}"
    state.mkdir()
    start = time.perf_counter()
    answer = asked(system, room / "texts", state)
    steps = answer["steps"]
    return {"start": time.perf_counter() - start - sum(steps.values())} | steps, answer["points"]


def asked(system: str, folder: Path, state: Path) -> dict:
    command = [sys.executable, __file__, "--child", system, str(folder), str(state)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()[-1])


def ours(folder: Path, state: Path) -> dict:
    import stages

    built = stages.to_index(state, folder)
    return {"steps": built.seconds, "points": built.versions["index"].json("content")["count"]}


def usual(folder: Path, state: Path) -> dict:
    """What tutorials do, with their defaults."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from qdrant_client import QdrantClient, models
    from sentence_transformers import SentenceTransformer
    from transformers import AutoTokenizer

    from llmops_pipelines.config.pipeline import Embeddings
    from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles

    weights = str(ModelFiles.find(Embeddings()).folder)
    steps: dict[str, float] = {}

    def step(name: str, work: Callable):
        start = time.perf_counter()
        made = work()
        steps[name] = time.perf_counter() - start
        return made

    def split() -> list[tuple[str, str]]:
        tokenizer = AutoTokenizer.from_pretrained(weights)
        splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(tokenizer, chunk_size=TOKENS, chunk_overlap=0)
        return [(name, piece) for name, text in files.items() for piece in splitter.split_text(text)]

    def upsert() -> int:
        client = QdrantClient(path=str(state))
        client.create_collection("texts", vectors_config=models.VectorParams(size=384, distance=models.Distance.COSINE))
        for at in range(0, len(pieces), PORTION):
            here = range(at, min(at + PORTION, len(pieces)))
            payloads = [{"file": pieces[row][0], "text": pieces[row][1]} for row in here]
            batch = models.Batch(ids=list(here), vectors=vectors[at : at + PORTION].tolist(), payloads=payloads)
            client.upsert("texts", batch)
        count = client.count("texts").count
        client.close()
        return count

    files = step("read", lambda: incremental_peers.read(folder))
    pieces = step("split", split)
    vectors = step("embed", lambda: SentenceTransformer(weights).encode([text for _, text in pieces]))
    return {"points": step("upsert", upsert), "steps": steps}


def grow(sizes: list[int], characters: int) -> None:
    print("Ours on generated documents, embedding by a hash:\n")
    print("| documents | points | seconds | documents/s | own memory above the start, MB | with mapped files, MB | by step |")
    print("|---|---|---|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as room:
            folder, state = Path(room, "texts"), Path(room, "state")
            generated.write(folder, size, characters)
            state.mkdir()
            answer = asked("scale", folder, state)
            seconds = sum(answer["steps"].values())
            told = ", ".join(f"{name} {took:.1f}" for name, took in answer["steps"].items())
            memory = " | ".join(f"{megabytes:,.0f}" for megabytes in answer["megabytes"])
            print(
                f"| {size:,} | {answer['points']:,} | {seconds:.1f} | {size / seconds:,.0f} | {memory} | {told} |", flush=True
            )


def scale(folder: Path, state: Path) -> dict:
    import stages

    with Memory() as memory:
        built = stages.to_index(state, folder, hashed=True)
    points = built.versions["index"].json("content")["count"]
    return {"steps": built.seconds, "points": points, "megabytes": [memory.own, memory.mapped]}


class Memory:
    """The most memory that this process and its children held at once, above what they held at the start. In MB."""

    def __enter__(self) -> "Memory":
        self._first = self._now()
        self.own = self.mapped = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            own, mapped = self._now()
            self.own = max(self.own, own - self._first[0])
            self.mapped = max(self.mapped, mapped - self._first[1])

    @staticmethod
    def _now() -> tuple[float, float]:
        me = psutil.Process()
        own = total = 0
        for process in [me, *me.children(recursive=True)]:
            try:
                held = process.memory_info()
            except psutil.NoSuchProcess:
                continue
            own += held.rss - held.shared
            total += held.rss
        return own / 1e6, total / 1e6


if __name__ == "__main__":
    main()
