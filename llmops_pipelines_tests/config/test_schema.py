"""The JSON Schemas that editors use are fresh and accept what ships."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from llmops_pipelines.config import schema

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("name", schema.SCHEMAS)
def test_the_schema_is_fresh(name):
    assert (CONFIGS / "schema" / name).read_text("utf-8") == schema.rendered(schema.SCHEMAS[name]), "run: make schema"


def test_the_quickstart_follows_the_schema_and_a_typo_does_not():
    words = schema.Pipeline.model_json_schema()
    shipped = yaml.safe_load((CONFIGS / "pipelines" / "quickstart.yaml").read_text("utf-8"))
    jsonschema.validate(shipped, words)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(shipped | {"documnts": []}, words)
