"""Makes a large lake with a history of releases, to ask the questions of on-call about.

    python benchmarks/oncall_lake.py /tmp/biglake --documents 100000 --chunks 1000000 --releases 200

Below the folder: `project` with the pipeline `big`, and `home` for LLMOPS_HOME. A corpus a week, some releases on each; at
one of them the answers get worse. Versions, stores and records are written by the product's own lake and history, in the
tables of its own stages; texts, hashes and scores are real, models and vectors are not there. The same numbers make the same
lake, and a run that was interrupted goes on where it was.
"""

import argparse
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from oncall_answers import Questions
from oncall_corpus import NAME, RECIPE, SOURCES, Held, Scale, Weeks, Words
from oncall_releases import Released
from oncall_weeks import Week

from llmops_pipelines.config.loader import load_pipeline, load_recipe
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version
from llmops_pipelines.lifecycle.release.history import History
from llmops_pipelines.lifecycle.training.weights import base_model

CHECKOUT = Path(__file__).resolve().parents[1]
PIPELINE = """# The pipeline of the large lake that benchmarks/oncall_lake.py made.
description: A made-up product with a long history
owner: team:benchmarks
documents:
{sources}
questions: {{path: configs/quickstart/questions}}
training: {{recipe: {recipe}}}
answers: {{passages: 1}}
gate: {{minimum: 0.1, not_worse_than_champion_by: 0.5}}
retention: {{versions: 1000, releases: 1000}}
"""


def project(folder: Path) -> Path:
    """A project with the one pipeline. Its sources are named but hold one file each: nobody runs it."""
    skipped = shutil.ignore_patterns("documents", "revisions", "pipelines")
    shutil.copytree(CHECKOUT / "configs", folder / "configs", ignore=skipped, dirs_exist_ok=True)
    lines = []
    for name, licence in SOURCES.items():
        place = folder / "sources" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "README.md").write_text("The documents are in the lake only.\n", "utf-8")
        lines.append(f"  - {{name: {name}, path: sources/{name}, licence: {licence}}}")
    pipelines = folder / "configs" / "pipelines"
    pipelines.mkdir(exist_ok=True)
    (pipelines / f"{NAME}.yaml").write_text(PIPELINE.format(sources="\n".join(lines), recipe=RECIPE), "utf-8")
    return folder


@dataclass(frozen=True)
class Maker:
    """Writes the lake of one scale. A version whose fingerprint is there already is not made again."""

    scale: Scale
    folder: Path

    @cached_property
    def project(self) -> Path:
        return project(self.folder / "project")

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.folder / "home" / "lake", NAME)

    @cached_property
    def history(self) -> History:
        return History(self.folder / "home" / "releases" / NAME)

    @cached_property
    def words(self) -> Words:
        return Words(Weeks(self.scale))

    @cached_property
    def held(self) -> Held:
        return Held(self.words, self._keep_texts)

    @cached_property
    def pipeline(self) -> Any:
        return load_pipeline(self.project / "configs" / "pipelines" / f"{NAME}.yaml", self.project)

    @cached_property
    def questions(self) -> Questions:
        return Questions.drawn(self.words)

    def once(self, asset: str, code: str, config: Any, parents: list[Version], write: Callable[[Draft], None]) -> Version:
        version = self.lake.once(asset, code=code, config=config, parents=parents, write=write)
        self.lake.point(version)
        return version

    def _keep_texts(self, texts: pa.Table) -> None:
        store = self.lake.store("texts", "v1", "content_hash")
        new = pa.array(store.missing(texts.column("content_hash").to_pylist()), pa.string())
        store.append(texts.filter(pc.is_in(texts.column("content_hash"), new)))

    def all(self) -> None:
        began = time.perf_counter()
        base = base_model(self.lake, load_recipe(self.project / RECIPE, self.project).base, self.project)
        self.lake.point(base)
        for week in range(self.scale.weeks):
            corpus = Week(self, week).parts() | {"base_model": base}
            first = 1 + week * self.scale.releases_a_week
            for epoch in range(first, min(first + self.scale.releases_a_week, self.scale.releases + 1)):
                Released(self, week, epoch, corpus).write()
            print(f"week {week + 1} of {self.scale.weeks}: {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    plain = Scale()
    for name in ("documents", "chunks", "releases", "weeks", "examples", "questions", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(plain, name))
    said = vars(parser.parse_args())
    folder, scale = said.pop("folder").resolve(), Scale(**said)
    began = time.perf_counter()
    Maker(scale, folder).all()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e9:.1f} GB in {time.perf_counter() - began:.0f} s; it got worse at release {scale.falls_at}")


if __name__ == "__main__":
    main()
