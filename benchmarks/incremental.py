"""A folder of files that changes a little: seconds of work, texts embedded, points left over. Ours beside LangChain's `index`,
LlamaIndex's IngestionPipeline and CocoIndex.

    python benchmarks/incremental.py --files 3000 --megabytes 20

Each run is a new process on the state that the one before left; its imports are not counted (it indexes three other files
first). Seconds are those of the clock and, in brackets, of the processor, children included. Embedding is a hash, so the
figures are what the framework costs. Ours does more in them: parsing in child processes, personal data, near-duplicates, an
index that can be searched; the stores of the peers keep next to nothing.
"""

import argparse
import contextlib
import cProfile
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import incremental_peers
import stages
import texts
from incremental_peers import Ran

OURS = "ours"
SYSTEMS = ("LangChain", "LlamaIndex", "CocoIndex", OURS)
SCENARIOS = ("first run", "nothing changed", "1 % edited", "one deleted")
SETTLED = 2.1  # seconds after which a file's time of change can be trusted


@dataclass
class Measured:
    """One run. `left` are points of the deleted file, `due` the texts that had never been embedded (ours only)."""

    seconds: float
    processor: float
    embedded: int
    points: int
    left: int
    megabytes: float
    stages: dict[str, float]
    due: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--megabytes", type=float, default=2.0)
    parser.add_argument("--systems", nargs="*", default=SYSTEMS, choices=SYSTEMS)
    parser.add_argument("--child", nargs=4, metavar=("SYSTEM", "FOLDER", "STATE", "DELETED"), help=argparse.SUPPRESS)
    parser.add_argument("--profile", type=Path, help="folder for a cProfile file per run of ours")
    arguments = parser.parse_args()
    if arguments.child:
        system, folder, state, deleted = arguments.child
        print(json.dumps(asdict(measured(system, Path(folder), Path(state), deleted, arguments.profile))))
        return
    with tempfile.TemporaryDirectory() as room:
        compare(Path(room), arguments)


def compare(room: Path, arguments: argparse.Namespace) -> None:
    folder = room / "texts"
    known = texts.gather(arguments.files, arguments.megabytes)
    size = texts.write(folder, known)
    edited = list(known)[:: max(1, len(known) // max(1, len(known) // 100))][: max(1, len(known) // 100)]
    deleted = next(name for name in known if name not in edited)
    print(f"{len(known):,} files, {size / 1e6:.1f} MB; {len(edited)} edited; one deleted\n")
    found: dict[tuple[str, str], Measured] = {}
    missing = [each for each in arguments.systems if not all(map(_installed, incremental_peers.NEEDS.get(each, [])))]
    for scenario in SCENARIOS:
        if scenario == "1 % edited":
            for number, name in enumerate(edited):
                (folder / name).write_text(texts.with_a_new_line(known[name], number), "utf-8")
        if scenario == "one deleted":
            (folder / deleted).unlink()
        time.sleep(SETTLED)
        for system in arguments.systems:
            if system not in missing:
                found[scenario, system] = in_a_child(system, folder, room, deleted, arguments.profile, scenario)
    report(found, arguments.systems, missing)


def in_a_child(system: str, folder: Path, room: Path, deleted: str, profile: Path | None, scenario: str) -> Measured:
    state = room / f"state-of-{system}"
    state.mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--child", system, str(folder), str(state), deleted]
    if profile and system == OURS:
        profile.mkdir(parents=True, exist_ok=True)
        command += ["--profile", str(profile / f"{scenario}.prof")]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return Measured(**json.loads(answer.stdout.splitlines()[-1]))


def measured(system: str, folder: Path, state: Path, deleted: str, profile: Path | None) -> Measured:
    """Run it on three files, so that everything is imported, then once for the record."""
    run = ours if system == OURS else incremental_peers.RUN[system]
    with tempfile.TemporaryDirectory() as room:
        texts.write(Path(room, "texts"), texts.gather(3, 1))
        Path(room, "state").mkdir()
        run(Path(room, "texts"), Path(room, "state"), stages.vector_of)
    profiler = cProfile.Profile() if profile else contextlib.nullcontext()
    clock, processor = time.perf_counter(), sum(os.times()[:4])
    with profiler:
        ran = run(folder, state, stages.vector_of)
    seconds, worked = time.perf_counter() - clock, sum(os.times()[:4]) - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if profile:
        profiler.dump_stats(profile)
    return Measured(seconds, worked, ran.embedded, ran.points(), ran.points_of(deleted), peak, ran.stages, ran.due)


def ours(folder: Path, state: Path, _: object) -> Ran:
    built = stages.to_index(state, folder, hashed=True)
    return Ran(
        embedded=built.embedded,
        points=lambda: built.versions["index"].json("content")["count"],
        points_of=lambda name: stages.points_of(state, built, name),
        stages=built.seconds,
        due=stages.new_texts(state, built),
    )


def report(found: dict[tuple[str, str], Measured], systems: list[str], missing: list[str]) -> None:
    print("| | " + " | ".join(SCENARIOS) + " | points left of the deleted file | peak MB |")
    print("|---|" + "---|" * (len(SCENARIOS) + 2))
    for system in systems:
        if system in missing:
            print(f"| {system} | not installed |" + " |" * (len(SCENARIOS) + 1))
            continue
        runs = [found[scenario, system] for scenario in SCENARIOS]
        cells = [f"{run.seconds:.2f} s ({run.processor:.2f}), {run.embedded:,} embedded" for run in runs]
        print(f"| {system} | {' | '.join(cells)} | {runs[-1].left} | {max(run.megabytes for run in runs):,.0f} |")
    if OURS not in systems or OURS in missing:
        return
    print("\n| times ours: clock (processor) | " + " | ".join(SCENARIOS) + " |\n|---|" + "---|" * len(SCENARIOS))
    for system in (each for each in systems if each != OURS and each not in missing):
        pairs = [(found[scenario, system], found[scenario, OURS]) for scenario in SCENARIOS]
        ratios = (f"{peer.seconds / our.seconds:.1f} ({peer.processor / our.processor:.1f})" for peer, our in pairs)
        print(f"| {system} | {' | '.join(ratios)} |")
    print("\nOurs by stage:")
    for scenario in SCENARIOS:
        run = found[scenario, OURS]
        by_stage = ", ".join(f"{name} {seconds:.2f}" for name, seconds in run.stages.items())
        print(f"  {scenario:<16} {by_stage}; {run.points:,} points; embedded {run.embedded:,} of {run.due:,} new texts")


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of the package above it
        return False


if __name__ == "__main__":
    main()
