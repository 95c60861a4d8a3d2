"""Every mistake in a settings file is reported at once, with its line and a way out."""

from pathlib import Path

import pytest

from llmops_pipelines.config.loader import find_project, load_pipeline, load_recipe, pipeline_files
from llmops_pipelines.config.mistakes import ConfigMistakes

PROJECT = Path(__file__).parents[2]

GOOD = """\
description: A product
owner: team:docs
documents:
  - {name: pages, path: pages, licence: MIT}
questions: {path: questions.jsonl}
training: {recipe: recipe.yaml}
gate: {minimum: 0.1}
"""
RECIPE = f"""\
base: {{path: model, licence: MIT, sha256: "{"0" * 64}"}}
deepspeed: zero2.json
"""


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "configs" / "pipelines").mkdir(parents=True)
    (tmp_path / "pages").mkdir()
    (tmp_path / "model").mkdir()
    for name, text in {"questions.jsonl": "", "zero2.json": "{}", "recipe.yaml": RECIPE}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def mistakes(project: Path, text: str, name: str = "shop") -> list[str]:
    path = project / "configs" / "pipelines" / f"{name}.yaml"
    path.write_text(text)
    with pytest.raises(ConfigMistakes) as caught:
        load_pipeline(path, project)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_a_good_file_is_read_with_its_defaults(project):
    path = project / "configs" / "pipelines" / "shop.yaml"
    path.write_text(GOOD)
    pipeline = load_pipeline(path, project)
    assert (pipeline.documents[0].name, pipeline.chunks.tokens) == ("pages", 96)


def test_all_mistakes_come_at_once_with_their_lines(project):
    bad = (
        GOOD.replace("documents:", "documnts: []\ndocuments:").replace("team:docs", "docs").replace("path: pages", "path: page")
    )
    found = mistakes(project, bad + "chunks: {tokens: big}\nindex: {url: 3}\n")
    assert found == [
        "configs/pipelines/shop.yaml:2  owner: got 'docs'; expected 'team:name' or an e-mail address; did you mean team:docs?",
        "configs/pipelines/shop.yaml:3  documnts: got an unknown word; expected one of description, owner, documents, "
        "cleaning, chunks, embeddings, index, retrieval, questions, training, answers, candidates, evaluation, gate, drift, "
        "automation, retention, compute; did you mean documents?",
        f"configs/pipelines/shop.yaml:5  documents[0].path: got 'page'; expected a path that exists below {project}; "
        "did you mean pages?",
        "configs/pipelines/shop.yaml:9  chunks.tokens: got 'big'; expected a whole number",
        "configs/pipelines/shop.yaml:10  index.url: got 3; expected text (in quotes if it looks like a number)",
    ]


def test_mistakes_in_the_recipe_are_reported_with_those_of_the_pipeline(project):
    (project / "recipe.yaml").write_text(RECIPE.replace("path: model", "path: model, hub: some/model"))
    found = mistakes(project, GOOD.replace("gate: {minimum: 0.1}\n", ""))
    assert found == [
        "configs/pipelines/shop.yaml:1  gate: got nothing; expected The section that says what may be released",
        "recipe.yaml:1  base: got these values together; expected exactly one of path and hub",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "chunks: {tokens: 10, overlap: 6}",
            "8  chunks: got these values together; expected an overlap of at most half of tokens (5)",
        ),
        ("drift: {embeddings: 1.5}", "8  drift.embeddings: got 1.5; expected less than or equal to 1"),
        ("automation: {reindex: nightly}", "8  automation.reindex: got 'nightly'; expected five cron fields;"),
        ("automation: {retrain: '99 2 * * *'}", "8  automation.retrain: got '99 2 * * *'; expected five cron fields;"),
        ("automation: {timezone: Europe/Berlinn}", "did you mean Europe/Berlin?"),
        ("gate: {minimum: 0.2}", "8  gate: is written twice; keep one"),
        (
            "cleaning: {personal_data: {mail: redact}}",
            "expected one of email, phone, iban, card, ip, national_id, name; did you mean email?",
        ),
        ("cleaning: {personal_data: {email: hide}}", "expected one of redact, mask, drop"),
        ("cleaning: {names_model: .}", "personal_data: name and names_model together"),
    ],
)
def test_each_kind_of_mistake_has_its_sentence(project, line, message):
    (found,) = mistakes(project, GOOD + line + "\n")
    assert message in found


def test_a_source_name_is_used_once(project):
    twice = GOOD.replace("licence: MIT}", "licence: MIT}\n  - {name: pages, path: pages, licence: MIT}")
    assert "one name per source; 'pages' is used twice" in mistakes(project, twice)[0]


def test_what_is_not_yaml_is_said_with_its_line(project):
    assert "shop.yaml:2  file: not YAML" in mistakes(project, "description: x\nowner: [")[0]


def test_a_metric_that_is_not_measured_is_refused(project):
    (found,) = mistakes(project, GOOD.replace("minimum: 0.1", "minimum: 0.1, metric: token_f2"))
    assert "gate.metric: got 'token_f2'; expected one of token_f1, exact_match" in found
    assert found.endswith("did you mean token_f1?")


@pytest.mark.parametrize("name", ["stores", "blobs"])
def test_folders_of_the_lake_are_no_pipeline_names(project, name):
    assert f"file name: got '{name}'" in mistakes(project, GOOD, name=name)[0]


def test_a_file_name_that_cannot_be_an_asset_key_is_refused(project):
    assert "file name: got 'my-shop'" in mistakes(project, GOOD, name="my-shop")[0]


def test_a_hub_model_needs_a_pinned_revision(project):
    (project / "recipe.yaml").write_text(RECIPE.replace("path: model", "hub: some/model"))
    with pytest.raises(ConfigMistakes, match="a revision"):
        load_recipe(project / "recipe.yaml", project)


def test_the_project_is_the_nearest_folder_with_pipelines(project):
    (project / "pages" / "deep").mkdir()
    assert find_project(project / "pages" / "deep") == project


@pytest.mark.parametrize("name", pipeline_files(PROJECT))
def test_every_shipped_pipeline_is_good(name):
    load_pipeline(pipeline_files(PROJECT)[name], PROJECT)
