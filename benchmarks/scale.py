"""Many documents through the real assets: seconds per step, peak memory, disk; then nothing changed, then 1 % edited.

    python benchmarks/scale.py --documents 100000 --characters 300

The corpus is that of corpus.py. Everything runs as `llmops run scale --job reindex` does it, in a project of its own.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import corpus
import psutil

PROJECT = Path(__file__).parents[1]
PIPELINE = """
description: A made-up corpus that measures how the pipeline grows
owner: team:benchmarks
documents: [{{name: made, path: {folder}, licence: CC0-1.0}}]
cleaning: {{languages: [en], minimum_characters: 50}}
chunks: {{tokens: 128}}
questions: {{path: configs/quickstart/questions}}
training: {{recipe: configs/recipes/quickstart_lora.yaml}}
gate: {{minimum: 0.1}}
"""


def project(home: Path, documents: Path) -> Path:
    """A project folder whose only pipeline reads the corpus."""
    shutil.copytree(PROJECT / "configs", home / "project" / "configs", ignore=shutil.ignore_patterns("documents"))
    (home / "project" / "configs" / "quickstart" / "documents").mkdir()
    pipelines = home / "project" / "configs" / "pipelines"
    (pipelines / "quickstart.yaml").unlink()
    (pipelines / "scale.yaml").write_text(PIPELINE.format(folder=documents))
    return home / "project"


def run(folder: Path, home: Path) -> tuple[str, float, float]:
    """(what was said per step, seconds, peak MB of the process and its children) of one reindex."""
    command = [sys.executable, "-m", "llmops_pipelines.cli", "run", "scale", "--job", "reindex"]
    environment = os.environ | {"LLMOPS_HOME": str(home / "state"), "PYTHONPATH": str(PROJECT), "COLUMNS": "160"}
    started, peak = time.monotonic(), 0
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(0.5)
    text = (home / "log").read_text()
    if process.returncode:
        sys.exit(text)
    steps = re.findall(r"^  [=+] .*", text, re.MULTILINE)
    return "\n".join(steps), time.monotonic() - started, peak / 1e6


def _memory(pid: int) -> int:
    """Private and shared anonymous memory of a process tree; mapped index files are the kernel's cache."""
    total = 0
    try:
        for each in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            memory = each.memory_info()
            total += memory.rss - memory.shared
    except psutil.Error:
        pass
    return total


def edit(documents: Path, every: int) -> int:
    """Add a sentence to one file in `every`. Returns how many were edited."""
    chosen = sorted(documents.rglob("*.md"))[::every]
    for path in chosen:
        path.write_text(path.read_text() + "\nThe morning shift adds a line of its own.\n")
    return len(chosen)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--characters", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder when left out")
    arguments = parser.parse_args()
    home = arguments.folder or Path(tempfile.mkdtemp(prefix="scale-"))
    home.mkdir(parents=True, exist_ok=True)
    size = corpus.write(home / "corpus", arguments.documents, arguments.characters)
    folder = project(home, home / "corpus")
    time.sleep(3)  # a file of this second is not trusted to stay as it is
    print(f"{arguments.documents:,} documents, {size / 1e6:.1f} MB of text")
    for what in ("cold", "nothing changed", "1 % edited"):
        if what == "1 % edited":
            edit(home / "corpus", 100)
            time.sleep(3)
        steps, seconds, peak = run(folder, home)
        print(f"\n{what}: {seconds:.0f} s, peak {peak:,.0f} MB\n{steps}", flush=True)
    kept = sum(path.stat().st_blocks * 512 for path in (home / "state" / "lake").rglob("*") if path.is_file())
    print(f"\nlake: {kept / 1e6:,.0f} MB on disk")
