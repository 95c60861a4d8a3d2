"""What a data engineer does first: opens the real Dagster UI, sees the graph, materializes an asset by clicking, reads it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def dagster_ui(tmp_path_factory) -> Iterator[str]:
    """The address of a `dagster dev` that the `llmops ui` command started over a fresh home."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"} | {"LLMOPS_HOME": str(home)}
    log = (home / "ui.log").open("w")
    command = [sys.executable, "-m", "llmops_pipelines.cli", "ui", "--port", str(port)]
    server = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", server, home / "ui.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        everything = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        server.terminate()
        _, alive = psutil.wait_procs(everything, timeout=60)
        for process in alive:  # Dagster's daemon can take longer than anybody waits
            process.kill()
        server.wait(10)
        log.close()


def wait_for(url: str, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"dagster dev does not answer; its log:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def page(dagster_ui) -> Iterator:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_the_lineage_graph_shows_the_quickstart(dagster_ui, page):
    page.goto(f"{dagster_ui}/asset-groups")
    page.locator("svg").get_by_text("quickstart", exact=True).last.dblclick()
    for group in ("corpus", "index", "datasets", "training", "evaluation", "release", "monitoring"):
        page.locator("svg").get_by_text(group, exact=True).last.wait_for()


def test_an_asset_is_materialized_by_clicking_and_its_metadata_is_seen(dagster_ui, page):
    page.goto(f"{dagster_ui}/assets/quickstart/base_model?view=events")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Materialized in run").wait_for(timeout=120_000)
    for text in ("Metadata", "work", "parameters"):
        page.get_by_text(text, exact=True).first.wait_for()
    page.goto(f"{dagster_ui}/runs")
    page.get_by_text("Success").first.wait_for()


def test_each_source_is_a_partition(dagster_ui, page):
    """The sensor that keeps them runs from the start."""
    page.goto(f"{dagster_ui}/assets/quickstart/raw_documents?view=partitions")
    for source in ("handbook", "notices"):
        page.get_by_text(source, exact=True).first.wait_for()
