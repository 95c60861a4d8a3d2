"""The door to MLflow: one run per step that trains or scores, found again by the fingerprint of what it produced.

The database is prepared once under a lock: MLflow's own first start crashes when two processes do it together.
"""

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from llmops_pipelines.config.datasets import SLOT
from llmops_pipelines.lifecycle.lake import Refusal, Version, digest, files

from .home import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

Tags = Mapping[str, str]


class Tracking(dg.ConfigurableResource):
    """An MLflow server by URL, or the SQLite file in the project's home."""

    home: dg.ResourceDependency[Home]
    server: str = ""
    ui: str = ""

    @classmethod
    def from_environment(cls, home: Home) -> "Tracking":
        return cls(home=home, server=os.environ.get("MLFLOW_TRACKING_URI", ""), ui=os.environ.get("MLFLOW_UI_URL", ""))

    @property
    def folder(self) -> Path:
        return self.home.folder / "mlflow"

    @property
    def uri(self) -> str:
        return self.server or f"sqlite:///{self.folder / 'mlflow.db'}"

    def client(self) -> "MlflowClient":
        """A client of a tracking store that is ready for use."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._prepare()
        import mlflow

        mlflow.set_tracking_uri(self.uri)  # the registry opens a client of its own, which reads this
        return mlflow.MlflowClient()

    def start(self, pipeline: str, asset: str, fingerprint: str, tags: Tags) -> str:
        """Id of the MLflow run of this step: a new one, or the unfinished or failed one of the same fingerprint, reopened."""
        client = self.client()
        experiment = self._experiment(client, pipeline)
        wanted = f"tags.`llmops/fingerprint` = '{fingerprint}' and attributes.status != 'FINISHED'"
        if found := client.search_runs([experiment], wanted, max_results=1):
            client.update_run(found[0].info.run_id, status="RUNNING")
            return found[0].info.run_id
        marks = {**tags, "llmops/fingerprint": fingerprint, "dagster/asset_key": f"{pipeline}/{asset.partition('/')[0]}"}
        return client.create_run(experiment, run_name=asset, tags=marks).info.run_id

    @contextmanager
    def failing(self, runs: list[str]) -> Iterator[None]:
        """Mark `runs` as failed if what happens inside fails; they are reopened when the step is tried again."""
        try:
            yield
        except BaseException:
            for run in runs:
                self.client().set_terminated(run, "FAILED")
            raise

    def record(self, version: Version, tags: Tags, fill: "Callable[[MlflowClient, str], None]") -> str:
        """Log a published version once: its facts as metrics and parameters, its parents as tags, then `fill`.

        Returns the page of the run. A version that was recorded before costs no import of MLflow.
        """
        note = self._note(version)
        if note.is_file():
            return json.loads(note.read_text("utf-8"))["page"]
        client = self.client()
        run = self.start(version.pipeline, version.asset, version.fingerprint, tags)
        log_facts(client, run, version)
        fill(client, run)
        client.set_terminated(run, "FINISHED")
        page = self.page(client.get_run(run).info.experiment_id, run)
        files.write_once(note, files.to_json({"run": run, "page": page}))
        return page

    def prompts(self, pipeline: str, answers: Version) -> None:
        """Put the prompts of a candidate into MLflow's registry, one version per content. Known ones cost no import."""
        spec = answers.json("candidate")
        for use in ("prompt", "rewrite", "verify"):
            if (words := spec[use]) is None:
                continue
            name = f"{pipeline}-{spec['name']}-{use}"
            note = self.folder / "prompts" / digest(self.uri)[:12] / f"{digest([name, words])}.json"
            if not note.is_file():
                self.client()
                import mlflow

                template = SLOT.sub(r"{{\1}}", words["template"])
                text = "\n\n".join(part for part in (words["system"], template) if part)
                tags = {"few_shot": str(len(words["few_shot"])), "llmops/digest": digest(words)}
                kept = mlflow.genai.register_prompt(name, text, commit_message=words["description"], tags=tags)
                files.write_once(note, files.to_json({"prompt": name, "version": kept.version}))

    def run_of(self, version: Version) -> str:
        """Id of the MLflow run that `record` wrote for this version. Raises `Refusal` if there is none on this server."""
        note = self._note(version)
        if note.is_file():
            return json.loads(note.read_text("utf-8"))["run"]
        where = f"{version.pipeline}/{version.asset}"
        raise Refusal(f"{where} has no MLflow run on {self.uri}; materialize {where} again to record it")

    def page(self, experiment: str, run: str) -> str:
        """Address of a run as a browser reaches it (`make mlflow` serves the local one on port 5001)."""
        return f"{self.ui or self.server or 'http://127.0.0.1:5001'}/#/experiments/{experiment}/runs/{run}"

    def _note(self, version: Version) -> Path:
        return self.folder / "runs" / digest(self.uri)[:12] / f"{version.fingerprint}.json"

    def _experiment(self, client: "MlflowClient", pipeline: str) -> str:
        if found := client.get_experiment_by_name(pipeline):
            return found.experiment_id
        where = None if self.server else (self.folder / "artifacts").as_uri()
        return client.create_experiment(pipeline, artifact_location=where)

    def _prepare(self) -> None:
        ready = self.folder / "ready"
        if self.server or ready.is_file():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "prepare.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.is_file():
                from mlflow import MlflowClient

                logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
                MlflowClient(tracking_uri=self.uri).search_experiments(max_results=1)  # the first touch makes the tables
                files.write_once(ready, b"")


def log_facts(client: "MlflowClient", run: str, version: Version) -> None:
    """Numbers become metrics, everything else parameters, parents tags with their digests."""
    import time

    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    numbers = {k: v for k, v in version.facts.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    words = {k: str(v)[:500] for k, v in version.facts.items() if k not in numbers}
    parents = {f"parent.{asset}": digest for asset, digest in version.parents.items()}
    client.log_batch(
        run,
        metrics=[Metric(k, float(v), now, 0) for k, v in numbers.items()],
        params=[Param(k, v) for k, v in words.items()],
        tags=[RunTag(k, v) for k, v in {**parents, "data_version": version.digest}.items()],
    )
