"""Is blame right? One fault at a time is put into a good product, which is rebuilt through the real graph; then `blame` is
asked what made it worse, and its answer is compared with the truth.

    python benchmarks/blame.py --data FOLDER --work WORK

`--data` holds passages.jsonl and questions.jsonl. What is finished in `--work` is not done again; `--only CASE` does some.
Each case runs in a process of its own. The cases are in `blame_cases.py`, the products in `blame_products.py`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blame_cases import CASES, INNOCENT, Case
from blame_models import judge
from blame_products import Data, make
from blame_world import World

from llmops_pipelines.lifecycle.release.candidate import Candidate

GRAPH = ("documents", "chunker", "embedder", "retriever", "prompt", "answering", "base", "training", "judge", "eval set")
VERDICTS = {"judge": "the judge moved", "eval set": "the eval set moved"}
BY_NAME = {case.name: case for case in CASES}


@dataclass(frozen=True)
class Bench:
    """The folder that everything lies in: `good/<product>`, `cases/<case>` once rebuilt, `results/<case>.json`."""

    work: Path
    data: Data

    def live(self, name: str) -> World:
        """The place at which a world always runs, since homes remember addresses."""
        return World(name, self.work / "live" / name, self.data)

    def good(self, case: Case) -> Path:
        return self.work / "good" / "-".join([case.world, *([case.prepare.__name__] if case.prepare else [])])

    def rebuilt(self, case: Case) -> Path:
        return self.work / "cases" / case.name

    def result(self, case: Case) -> Path:
        return self.work / "results" / f"{case.name}.json"

    def put(self, source: Path, name: str) -> World:
        """A copy of a world in the place where it runs."""
        world = self.live(name)
        shutil.rmtree(world.folder, ignore_errors=True)
        world.folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", "--reflink=auto", str(source), str(world.folder)], check=True)
        return world


def keep(world: World, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(world.folder, target)


def first(bench: Bench, case: Case) -> None:
    """The world's good product, released."""
    world = bench.live(case.world)
    shutil.rmtree(world.folder, ignore_errors=True)
    make(case.world, world.folder, bench.data)
    world.run()
    keep(world, bench.work / "good" / case.world)


def prepared(bench: Bench, case: Case) -> None:
    """Another good product that some cases start from."""
    assert case.prepare
    world = bench.put(bench.work / "good" / case.world, case.world)
    case.prepare(world)
    with judge() if case.judged else nullcontext():
        world.run()
    keep(world, bench.good(case))


def broken(bench: Bench, case: Case) -> None:
    """The fault, and everything built again. What blame is to be asked about is written to case.json."""
    world = bench.put(bench.good(case), case.world)
    good = world.lake.current("release")
    assert good, "a good product has a decision"
    started = time.perf_counter()
    truth = case.fault(world)
    with judge(case.judged == "moved") if case.judged else nullcontext():
        bad = world.run()
    sides = {"good": good.fingerprint, "bad": bad.fingerprint}
    told = {"truth": {**asdict(truth), "documents": sorted(truth.documents), "beside": sorted(truth.beside)}}
    seconds = time.perf_counter() - started
    (world.folder / "case.json").write_text(json.dumps(sides | told | {"seconds": seconds}), "utf-8")
    keep(world, bench.rebuilt(case))


def asked(bench: Bench, case: Case) -> None:
    """Blame, asked about a rebuilt case. Its answer is written to the case's result."""
    from llmops_pipelines.lifecycle.evaluation import compare

    world = World(case.world, bench.rebuilt(case), bench.data)
    said = json.loads((world.folder / "case.json").read_text("utf-8"))
    os.environ["LLMOPS_HOME"] = str(world.home)
    good, bad = (Candidate.decided(world.lake, world.lake.read("release", said[name])) for name in ("good", "bad"))
    seen = compare(good.parts["eval_scores"], bad.parts["eval_scores"], metric=case.metric)
    recorded = {"mean": seen.mean, "low": seen.low, "high": seen.high, "n": seen.n, "reason": seen.reason}
    with judge(case.judged == "moved") if case.judged else nullcontext():
        answer = _blamed(world, good, bad, case.metric)
    result = {"case": case.name, "truth": said["truth"], "rebuilt_seconds": said["seconds"], "recorded": recorded}
    bench.result(case).parent.mkdir(parents=True, exist_ok=True)
    bench.result(case).write_text(json.dumps(result | {"blame": answer}, default=str), "utf-8")


def _blamed(world: World, good: Candidate, bad: Candidate, metric: str) -> dict[str, Any]:
    from llmops_pipelines.config.loader import load_pipeline
    from llmops_pipelines.lifecycle.lineage.blame import Doors, blame

    doors = Doors(project=world.project, judging=load_pipeline(world.file, world.project).evaluation.judge)
    return asdict(blame(world.lake, good, bad, doors, metric=metric, project=world.project, say=print))


STEPS = {"first": first, "prepared": prepared, "broken": broken, "asked": asked}


def in_a_child(bench: Bench, step: str, case: Case) -> bool:
    """One step of one case in a process of its own; on failure the end of what it said is printed."""
    places = ["--data", str(bench.data.folder), "--work", str(bench.work)]
    command = [sys.executable, __file__, *places, "--child", step, case.name]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(f"\n{case.name}: {step} failed\n{done.stdout[-3000:]}\n", flush=True)
    return done.returncode == 0


def done(bench: Bench, case: Case, build_only: bool, anew: bool, kept: bool) -> bool:
    """Do what is still missing of a case. Returns whether there is a result."""
    if bench.result(case).is_file() and not anew:
        return True
    folders = {"first": bench.work / "good" / case.world, "prepared": bench.good(case), "broken": bench.rebuilt(case)}
    for step, there in folders.items():
        if not there.is_dir() and not in_a_child(bench, step, case):
            return False
    if build_only or not in_a_child(bench, "asked", case):
        return False
    if not kept:
        shutil.rmtree(bench.rebuilt(case))
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of passages.jsonl and questions.jsonl")
    parser.add_argument("--work", type=Path, help="folder for everything; without it a temporary one")
    parser.add_argument("--only", nargs="*", choices=list(BY_NAME), metavar="CASE", help=f"some of {', '.join(BY_NAME)}")
    parser.add_argument("--json", type=Path, help="file for all results")
    parser.add_argument("--keep", action="store_true", help="keep the rebuilt homes, so that blame can be asked again")
    parser.add_argument("--again", action="store_true", help="ask blame again where there is a result")
    parser.add_argument("--build-only", action="store_true", help="only rebuild the cases")
    parser.add_argument("--child", nargs=2, metavar=("STEP", "CASE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as room:
        bench = Bench((given.work or Path(room)).resolve(), Data(given.data.resolve()))
        if given.child:
            STEPS[given.child[0]](bench, BY_NAME[given.child[1]])
            return
        cases = [case for case in CASES if not given.only or case.name in given.only]
        finished = [case for case in cases if done(bench, case, given.build_only, given.again, given.keep)]
        report([json.loads(bench.result(case).read_text("utf-8")) for case in finished], given.json)
        if missing := [case.name for case in cases if case not in finished]:
            print(f"Without a result: {', '.join(missing)}.")


def report(results: list[dict[str, Any]], file: Path | None) -> None:
    """The table, and in how many cases each way of blaming is right."""
    print(
        "| case | change | verdict | parts by share | expected | right | documents: named / true / beside | hybrids | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for result in results:
        print(f"| {' | '.join(row(result))} |")
    if file:
        file.write_text(json.dumps(results, indent=1), "utf-8")
    guilty = [each for each in results if each["truth"]["parts"]]
    of_documents = [each for each in guilty if each["truth"]["documents"]]
    named = [judged(each) for each in results]
    print(f"\nRight: {sum(named)} of {len(results)} cases.")
    whole = [documents(each)[1] == documents(each)[2] for each in of_documents]
    print(f"All guilty documents named: {sum(whole)} of {len(of_documents)} cases with guilty documents.")
    print(f"The largest effect of a single swap names the guilty parts: {sum(map(by_swap, guilty))} of {len(guilty)}.")
    print(f"The part that changed last in the graph is the guilty one: {sum(map(by_last, guilty))} of {len(guilty)}.")


def row(result: dict[str, Any]) -> list[str]:
    answer, truth, total = result["blame"], result["truth"], result["blame"]["total"]
    change = "none" if total is None else f"{total['change']:+.3f} [{total['low']:+.3f}, {total['high']:+.3f}]"
    parts = ", ".join(f"{part['name']} {part['share'] or 0:+.3f}{'*' * part['guilty']}" for part in answer["parts"])
    named, found, true, beside = documents(result)
    counts = f"{found} of {true}; {named - found - beside} wrong, {beside} beside" if true or named else ""
    expected = " and ".join(truth["parts"]) or ("better" if truth.get("better") else " or ".join(INNOCENT))
    right, seconds = "yes" if judged(result) else "NO", f"{answer['seconds']:.0f}"
    return [result["case"], change, answer["verdict"], parts, expected, right, counts, str(answer["hybrids"]), seconds]


def judged(result: dict[str, Any]) -> bool:
    """Whether the guilty parts stand first, all guilty documents are named, and nobody innocent is blamed."""
    answer, truth = result["blame"], result["truth"]
    if truth.get("better"):
        return answer["verdict"] == "better"
    if not truth["parts"]:
        return answer["verdict"] in INNOCENT
    first = {part["name"] for part in answer["parts"][: len(truth["parts"])]}
    _, found, true, _ = documents(result)
    return answer["verdict"] == VERDICTS.get(truth["parts"][0], "guilty") and first == set(truth["parts"]) and found == true


def documents(result: dict[str, Any]) -> tuple[int, int, int, int]:
    """Documents named, those of them that are guilty, how many are, and those named that were changed beside."""
    told, truth = result["blame"]["documents"], result["truth"]
    named = {each["doc_id"] for each in told["guilty"]} if told else set()
    return len(named), len(named & set(truth["documents"])), len(truth["documents"]), len(named & set(truth["beside"]))


def by_swap(result: dict[str, Any]) -> bool:
    """The usual way: each part is swapped alone, and the largest falls are blamed."""
    parts = sorted(result["blame"]["parts"], key=lambda part: part["alone"] or 0.0)
    truth = set(result["truth"]["parts"])
    return {part["name"] for part in parts[: len(truth)]} == truth


def by_last(result: dict[str, Any]) -> bool:
    """The usual suspicion: what changed last, nearest to the answer, did it."""
    changed = {part["name"] for part in result["blame"]["parts"]}
    changed |= {each["name"] for part in result["blame"]["parts"] for each in part["through"]}
    truth = set(result["truth"]["parts"])
    return set([part for part in GRAPH if part in changed][-len(truth) :]) == truth


if __name__ == "__main__":
    main()
