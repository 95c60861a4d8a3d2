"""What the tests of training share: one tiny model, and one process that starts training processes quickly."""

import subprocess
import sys

import pytest

from . import tiny, warm


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A folder with a tiny Llama, made in another process: torch and its warnings stay out of this one."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    make = f"from {tiny.__name__} import *; make_model(Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-W", "ignore", "-c", make], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def warm_server():
    with warm.server() as started:
        yield started
