"""How long the questions of on-call take: each command in a process of its own, beside reading the same lake with pandas.

    python benchmarks/oncall.py --lake /tmp/biglake --runs 5

Without `--lake` a small one is made in a temporary folder (`oncall_lake.py`). Files are in the page cache, as after the first
question; importing Python and its libraries counts; processor times are the steadier ones. The naive way reads all manifests,
records or tables that the question is about, as a notebook would; it answers less than the command does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

GOAL = 2.0  # seconds
FINE = (0, 3)  # 3: the answer is that something differs, or fell
NAME = "big"
HERE = Path(__file__).resolve()
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Question:
    """A command, and the naive way to an answer (a function below, and its arguments)."""

    what: str
    command: tuple[str, ...]
    naive: str
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Took:
    """One process: seconds of the clock and of processors, the most memory it held, and how it ended."""

    seconds: float
    worked: float
    megabytes: float
    code: int
    said: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, help="a folder that oncall_lake.py filled")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--naive-runs", type=int, default=1)
    parser.add_argument("--naive", nargs="+", help=argparse.SUPPRESS)  # this process is the naive way
    arguments = parser.parse_args()
    if arguments.naive:
        name, *asked = arguments.naive
        print(NAIVE[name](arguments.lake.resolve(), *asked))
        return
    with tempfile.TemporaryDirectory() as room:
        lake = (arguments.lake or _small(Path(room))).resolve()
        print("| question | seconds (processor) | best | under 2 s | MB | with pandas (processor) | MB | times ours |")
        print("|---|---|---|---|---|---|---|---|")
        for question in questions(lake):
            print(_line(question, lake, arguments.runs, arguments.naive_runs), flush=True)


def _small(room: Path) -> Path:
    subprocess.run([sys.executable, HERE.with_name("oncall_lake.py"), room], check=True, stdout=subprocess.DEVNULL)
    return room


def questions(lake: Path) -> list[Question]:
    """About the newest release, the one before it, the first one, and a document that models were trained on."""
    last = max(int(path.name[:6]) for path in _records(lake))
    record = _record(lake, last)
    document = _trained_on(lake, record)
    when = json.loads((_history(lake) / f"{last // 2:06d}.end.json").read_text("utf-8"))["at"]
    asked = _asked(lake, record)
    newest, before = str(last), str(last - 1)
    return [
        Question("what is a release made of", ("lineage", NAME, newest), "lineage", (newest,)),
        Question("what saw a document", ("lineage", NAME, newest, "--document", document), "document", (document,)),
        Question(
            "what became of a question", ("lineage", NAME, newest, "--question", asked, "--recorded"), "question", (asked,)
        ),
        Question("two releases of one corpus", ("diff", NAME, before, newest), "diff", (before, newest)),
        Question("the first and the newest", ("diff", NAME, "1", newest), "diff", ("1", newest)),
        Question("what was live at a time", ("at", NAME, when), "at", (when,)),
        Question("since when is it worse", ("bisect", NAME), "bisect"),
    ]


def _line(question: Question, lake: Path, runs: int, naive_runs: int) -> str:
    ours = [_run([str(BIN / "llmops"), *question.command], lake) for _ in range(runs)]
    peer = [sys.executable, str(HERE), "--lake", str(lake), "--naive", question.naive, *question.asked]
    theirs = [_run(peer, lake) for _ in range(naive_runs)]
    slow, heavy = median(each.seconds for each in theirs), max(each.megabytes for each in theirs)
    beside = f"{slow:.2f} ({_worked(theirs):.2f}) | {heavy:.0f}" if theirs[0].code == 0 else f"failed: {theirs[0].said} | "
    if ours[0].code not in FINE:
        return f"| {question.what} | exit {ours[0].code}: {ours[0].said} | | | | {beside} | |"
    taken = median(each.seconds for each in ours)
    best, peak = min(each.seconds for each in ours), max(each.megabytes for each in ours)
    met = "yes" if taken < GOAL else "**no**"
    took = f"{taken:.2f} ({_worked(ours):.2f}) | {best:.2f} | {met} | {peak:.0f}"
    return f"| {question.what} | {took} | {beside} | {slow / taken:.1f} |"


def _worked(runs: list[Took]) -> float:
    return median(each.worked for each in runs)


def _run(command: list[str], lake: Path) -> Took:
    environment = os.environ | {"LLMOPS_HOME": str(lake / "home"), "COLUMNS": "160"}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as heard:
        child = subprocess.Popen(command, cwd=lake / "project", env=environment, stdout=subprocess.DEVNULL, stderr=heard)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        heard.seek(0)
        lines = [line for line in heard.read().decode("utf-8", "replace").splitlines() if any(map(str.isalpha, line))]
    said = " ".join(lines[-1:])[:100].replace("|", "/")
    return Took(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, child.returncode, said)


def _history(lake: Path) -> Path:
    return lake / "home" / "releases" / NAME


def _records(lake: Path) -> list[Path]:
    return sorted(_history(lake).glob("[0-9][0-9][0-9][0-9][0-9][0-9].json"))


def _record(lake: Path, epoch: int) -> dict[str, Any]:
    return json.loads((_history(lake) / f"{epoch:06d}.json").read_text("utf-8"))


def _folder(lake: Path, record: dict[str, Any], role: str) -> Path:
    part = record["parts"][role]
    return lake / "home" / "lake" / NAME / part.get("asset", role) / "versions" / part["fingerprint"][:32]


def _trained_on(lake: Path, record: dict[str, Any]) -> str:
    import pyarrow.parquet as pq

    file = _folder(lake, record, "training_examples") / "training_examples.parquet"
    return pq.ParquetFile(file).read(["doc_ids"]).column(0)[0].as_py()[0]


def _asked(lake: Path, record: dict[str, Any]) -> str:
    import pyarrow.parquet as pq

    return pq.ParquetFile(_folder(lake, record, "eval_questions") / "eval_questions.parquet").read(["id"]).column(0)[0].as_py()


def naive_lineage(lake: Path, epoch: str) -> str:
    """Every manifest of the lake, joined by digest from the release's parts upwards."""
    import pandas as pd

    found = [json.loads(path.read_text("utf-8")) for path in (lake / "home" / "lake" / NAME).rglob("manifest.json")]
    known = pd.DataFrame(found).set_index("digest")
    waiting = [part["digest"] for part in _record(lake, int(epoch))["parts"].values()]
    seen: set[str] = set()
    while waiting:
        if (each := waiting.pop()) not in seen:
            seen.add(each)
            parents = known.loc[[each], "parents"].iloc[0]
            waiting += list(parents.values())
    return f"{len(seen)} versions"


def naive_document(lake: Path, document: str) -> str:
    """Every table of documents, chunks and training rows that there is, filtered."""
    import pandas as pd

    rows = 0
    for asset in ("documents", "chunks", "training_examples"):
        for path in sorted((lake / "home" / "lake" / NAME / asset / "versions").glob(f"*/{asset}.parquet")):
            table = pd.read_parquet(path)
            if asset == "training_examples":
                rows += int(table["doc_ids"].map(lambda known: document in known).sum())
            else:
                rows += int((table["doc_id"] == document).sum())
    return f"{rows} rows"


def naive_question(lake: Path, asked: str) -> str:
    """Answer, scores and passages of one question of the newest release."""
    import pandas as pd

    record = _record(lake, max(int(path.stem) for path in _records(lake)))
    answers = pd.read_parquet(_folder(lake, record, "answers") / "answers.parquet").set_index("question_id")
    scores = pd.read_parquet(_folder(lake, record, "eval_scores") / "eval_scores.parquet")
    chunks = pd.read_parquet(_folder(lake, record, "chunks") / "chunks.parquet").set_index("chunk_id")
    passages = chunks.loc[list(answers.loc[asked, "passages"])]
    return f"{(scores['question_id'] == asked).sum()} scores, {len(passages)} passages"


def naive_diff(lake: Path, a: str, b: str) -> str:
    """The tables of both releases whole, joined by their keys."""
    import pandas as pd

    old, new = _record(lake, int(a)), _record(lake, int(b))
    keys = {"documents": "doc_id", "chunks": "chunk_id", "training_examples": "example_id"}
    told = []
    for role, key in keys.items():
        first, second = (pd.read_parquet(_folder(lake, each, role) / f"{role}.parquet") for each in (old, new))
        joined = first.merge(second, on=key, how="outer", indicator=True)
        told.append(f"{(joined['_merge'] != 'both').sum()} {role}")
    first, second = (pd.read_parquet(_folder(lake, each, "eval_scores") / "eval_scores.parquet") for each in (old, new))
    scores = first.merge(second, on=["question_id", "metric"])
    told.append(f"{(scores['score_x'] != scores['score_y']).sum()} scores")
    return ", ".join(told)


def naive_at(lake: Path, when: str) -> str:
    """Every record and every mark of the history."""
    import pandas as pd

    said = [{**json.loads(path.read_text("utf-8")), "file": path.name} for path in sorted(_history(lake).glob("*.json"))]
    ends = pd.DataFrame([each for each in said if each["file"].endswith(".end.json")])
    ends = ends[(ends["outcome"] == "committed") & (pd.to_datetime(ends["at"]) <= pd.Timestamp(when))]
    return f"release {int(ends['file'].iloc[-1][:6])}"


def naive_bisect(lake: Path) -> str:
    """The scores of every release, and the largest fall from one to the next."""
    import pandas as pd

    means = {}
    for path in _records(lake):
        table = pd.read_parquet(_folder(lake, _record(lake, int(path.stem)), "eval_scores") / "eval_scores.parquet")
        means[int(path.stem)] = table.groupby("metric")["score"].mean()
    return f"release {pd.DataFrame(means).T['token_f1'].diff().idxmin()}"


NAIVE: dict[str, Callable[..., str]] = {
    "lineage": naive_lineage,
    "document": naive_document,
    "question": naive_question,
    "diff": naive_diff,
    "at": naive_at,
    "bisect": naive_bisect,
}

if __name__ == "__main__":
    main()
