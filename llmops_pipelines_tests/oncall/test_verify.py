"""`llmops verify`: one sentence that names what does not match, and exit codes that scripts can use."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner, Result

from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import file_digest, text_digest
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.promotion import promote
from llmops_pipelines.oncall import verify as command

from ..lifecycle.lineage.verification.product import KeepingClient
from ..lifecycle.release.world import CATALOGUE, GATE, WEIGHTS, candidate, world


@dataclass(frozen=True)
class Desk:
    """A project with one released pipeline, and the command as people type it."""

    home: Path
    moves: Moves

    def verify(self, *arguments: str) -> Result:
        app = typer.Typer()
        app.command()(command.verify)
        app.command()(lambda: None)  # with a second command, the first keeps its name
        return CliRunner().invoke(app, ["verify", "shop", *arguments])


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Desk:
    project, home = tmp_path / "project", tmp_path / "home"
    (project / "configs" / "pipelines").mkdir(parents=True)
    (project / "configs" / "pipelines" / "shop.yaml").write_text("")
    home.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("LLMOPS_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    moves = world(home, KeepingClient(home / "registry.json"))
    (home / "releases" / "shop").parent.mkdir()
    (home / "releases" / "shop").symlink_to(home / "releases")  # the world keeps its history one folder higher
    monkeypatch.setattr(command, "_registry", lambda place: moves.registry())
    lake = Lake(home / "lake", "shop")
    parts = {"base_model": base(lake, home), "documents": documents(lake)}
    released = promote(moves, candidate(lake, settings={}, parts=parts), GATE, CATALOGUE)
    assert released.json("release")["outcome"] == "promoted"
    lake.close()
    return Desk(home, moves)


def base(lake: Lake, home: Path) -> Version:
    place = home / "base"
    place.mkdir()
    (place / "config.json").write_text("{}")
    files = {"config.json": file_digest(place / "config.json")}
    known = {"folder": str(place), "files": files, "weights_sha256": WEIGHTS, "licence": "MIT", "parameters": 9}
    return lake.once("base_model", code="1", config=0, parents=[], write=lambda d: d.json("base_model", known, data=False))


def documents(lake: Lake) -> Version:
    text = "The ferry leaves at nine."
    lake.store("texts", "v1", "content_hash").append(pa.table({"content_hash": [text_digest(text)], "text": [text]}))
    said = {"content_hash": text_digest(text), "source": "d", "licence": "MIT", "consent": "search", "trust": "trusted"}
    table = pa.Table.from_pylist([said])
    return lake.once("documents", code="1", config=0, parents=[], write=lambda draft: draft.table("documents", table))


def adapter(desk: Desk) -> Path:
    (found,) = desk.home.glob("lake/shop/checkpoint/versions/*/adapter/adapter_model.safetensors")
    return found


def test_a_sound_release_ends_with_0(desk):
    shown = desk.verify("1")
    assert shown.exit_code == 0, shown.output
    assert "release 1 of shop is what was decided about" in shown.output


def test_a_swapped_adapter_ends_with_3_and_is_named_first(desk):
    adapter(desk).write_bytes(b"another")
    shown = desk.verify("1")
    assert shown.exit_code == 3
    assert f"does not match its records: first checkpoint {desk.moves.history.live().parts['checkpoint']['digest'][:12]}" in (
        " ".join(shown.output.split())
    )
    found = json.loads(desk.verify("1", "--json").stdout)
    assert found["first"]["place"] == str(adapter(desk)) and found["first"]["fix"]
    assert found["counts"]["differs"] == 1 and found["release"] == 1


def test_it_can_be_passed_on_as_one_file(desk, tmp_path):
    (desk.home / "base" / "config.json").write_text('{"a": 1}')
    page = tmp_path / "verify.html"
    assert desk.verify("1", "--html", str(page)).exit_code == 3
    text = page.read_text("utf-8")
    assert "does not match its records" in text and "config.json" in text


def test_without_a_release_every_file_is_read_and_damage_is_mended_by_the_next_run(desk):
    assert ", 0 damaged" in desk.verify().output
    adapter(desk).write_bytes(b"another")
    shown = desk.verify()
    assert shown.exit_code == 3 and "adapter_model.safetensors" in shown.output
    again = Lake(desk.home / "lake", "shop")
    assert again.versions("checkpoint") == []  # it is distrusted, although size and times might be what they were


def test_an_unknown_release_and_a_wrong_name_are_told_apart(desk):
    assert desk.verify("7").exit_code == 1
    assert desk.verify("--release").exit_code == 2


def test_mlflow_that_does_not_answer_is_told_and_no_crash(desk, monkeypatch):
    from llmops_pipelines.lifecycle.release.registry import RegistryUnavailable

    def down(place):
        raise RegistryUnavailable("MLflow could not read its alias")

    monkeypatch.setattr(command, "_registry", down)
    shown = desk.verify("1")
    assert shown.exit_code == 3 and "MLflow could not read its alias" in " ".join(shown.output.split())
