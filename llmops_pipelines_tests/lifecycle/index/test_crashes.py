"""kill -9 in the middle of a build: what was published stays, and the next build is as if nothing had happened."""

import json
import subprocess
import sys

import pytest

from llmops_pipelines.config.pipeline import Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index.checks import every_chunk_is_indexed
from llmops_pipelines.lifecycle.lake import Lake

from .conftest import FERRY, LIGHT, QUAY, files_below

pytestmark = pytest.mark.slow
POINTS = {  # where the process dies: before (0) or after (1) the call of that name
    "shard copied": ("engines.edge.EdgeWriter", "__init__", 1),
    "something removed": ("engines.edge.EdgeWriter", "remove", 1),
    "before writing": ("engines.edge.EdgeWriter", "upsert", 0),
    "written": ("engines.edge.EdgeWriter", "upsert", 1),
    "flushed": ("engines.edge.EdgeWriter", "reader", 1),
    "verified": ("engines.edge.EdgeWriter", "seal", 0),
    "sealed": ("engines.edge.EdgeWriter", "seal", 1),
    "hashed": ("lake.versions.Draft", "seal", 1),
    "before publishing": ("lake.files", "publish_directory", 0),
}
# One process imports everything and starts a child per point: a child costs what the build costs.
CHILD = """
import json, os, signal, sys
from importlib import import_module
from pathlib import Path
import deltalake, numpy, pyarrow.parquet, qdrant_edge
from llmops_pipelines.config.pipeline import Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake import Lake

root, chunks, embeddings, points = json.loads(sys.argv[1])
lake = Lake(Path(root), "isles")

def die_at(owner, name, after):
    package = "llmops_pipelines.lifecycle." + ("index." if owner.startswith("engines") else "")
    *modules, last = (package + owner).split(".")
    place = getattr(import_module(".".join(modules)), last) if last[0].isupper() else import_module(package + owner)
    call = getattr(place, name)

    def dying(*args, **named):
        if after:
            call(*args, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, dying)

for name, point in points.items():
    child = os.fork()
    if not child:
        die_at(*point)
        index.build(lake, lake.find("chunks", chunks), lake.find("embeddings", embeddings), Index(), None, "isles")
        os._exit(0)
    print(name, os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_build_that_is_killed_anywhere_leaves_the_published_index_and_no_trace_in_the_next(
    lake, chunks, embedded, tmp_path
) -> None:
    one = {"g/ferry.md": FERRY, "g/light.md": LIGHT}
    two = {"g/light.md": LIGHT + " It turns.", "g/quay.md": QUAY}
    before = chunks(one)
    served = index.build(lake, before, embedded(before), Index(), None, "isles")
    lake.point(served)
    bytes_before = files_below(served.path)
    cut = chunks(two)
    vectors = embedded(cut)

    told = json.dumps([str(lake.root), cut.fingerprint, vectors.fingerprint, POINTS])
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", CHILD, told], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [f"{name} 9" for name in POINTS]  # each died where it should, none came through

    assert files_below(served.path) == bytes_before
    fresh = Lake(lake.root, "isles")  # as another process finds it
    current = fresh.current("index")
    assert current and current.digest == served.digest and every_chunk_is_indexed(current, before)[0]
    assert [version.digest for version in fresh.versions("index")] == [served.digest]
    after = index.build(fresh, cut, vectors, Index(), None, "isles")
    assert after.facts["built"] == "incremental" and every_chunk_is_indexed(after, cut)[0]

    (lake.root / "isles" / "index").rename(tmp_path / "forgotten")
    cold = index.build(Lake(lake.root, "isles"), cut, vectors, Index(), None, "isles")
    assert cold.facts["built"] == "cold" and cold.digest == after.digest
