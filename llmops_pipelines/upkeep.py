"""What people do by hand to a pipeline's state: list the quarantine, clean up."""

import time

from rich.console import Console
from rich.table import Table

from llmops_pipelines.assets.product import Product
from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Lake, Refusal
from llmops_pipelines.lifecycle.release.cleanup import clean, unneeded
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.vector_store import VectorStore


def quarantined(product: Product, out: Console) -> None:
    """Documents that could not be used, with reasons, and when a stopped parser is tried again."""
    lake = _lake(product)
    version = lake.current("documents")
    if version is None:
        raise Refusal(f"{product.name}/documents was never materialized; materialize it with: llmops run {product.name}")
    rows = version.table("quarantined").to_pylist()
    if not rows:
        out.print("Nothing is in quarantine.")
        return
    table = Table("document", "reason", "detail", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(row["doc_id"], row["reason"], row["detail"])
    out.print(table)
    for source in sorted({row["source"] for row in rows}):
        if due := corpus.next_retry(lake, source):
            wait = max(0, round((due - time.time()) / 60))
            out.print(
                f"{source}: files whose parser or cleaner was stopped are tried again by the first run after {wait} minutes"
            )
    out.print("A file is tried again as soon as it, its parser or a limit changes.")


def clean_up(product: Product, out: Console, *, really: bool) -> None:
    """Show what nobody needs, and remove it when `really`."""
    home = Home.from_environment(product.project)
    lake, history = home.lake(product.name), home.history(product.name)
    found = unneeded(lake, history, product.pipeline.retention, home.folder / "training")
    table = Table("what", "why", "MB", box=None, pad_edge=False, header_style="bold")
    shown = [each for each in found if each.path.parent.parent.name != "blobs"]
    for each in shown:
        table.add_row(each.path.relative_to(lake.root).as_posix(), each.why, f"{each.size / 1e6:.1f}")
    if len(shown) < len(found):
        size = sum(each.size for each in found if each not in shown)
        table.add_row("blobs", f"bytes of {len(found) - len(shown)} files that no version names", f"{size / 1e6:.1f}")
    out.print(table if found else "Nothing to remove: retention keeps everything that is there.")
    connect = VectorStore().connector(product.pipeline.index)
    if found and really:
        out.print(f"removed, {clean(lake, found, connect) / 1e6:.1f} MB are free again")
    elif found:
        out.print(f"\nNothing was removed. To remove it: llmops clean {product.name} --yes", style="yellow")


def _lake(product: Product) -> Lake:
    return Home.from_environment(product.project).lake(product.name)
