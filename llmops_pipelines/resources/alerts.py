"""The door to the people on call: every alert is kept in the home, and posted to LLMOPS_ALERT_URL when that is set."""

import json
import os
from urllib.request import Request, urlopen

import dagster as dg

from llmops_pipelines.lifecycle.lake import files

from .home import Home


class Alerts(dg.ConfigurableResource):
    """Sends one line to an owner; the JSON body {"text": ...} is what Slack, Mattermost and Teams hooks accept."""

    home: dg.ResourceDependency[Home]
    url: str = ""

    @classmethod
    def from_environment(cls, home: Home) -> "Alerts":
        return cls(home=home, url=os.environ.get("LLMOPS_ALERT_URL", ""))

    def send(self, pipeline: str, owner: str, text: str, *, run_id: str) -> None:
        """Keep the alert, then post it. Raises OSError if the hook does not accept it; the kept copy stays."""
        alert = {"owner": owner, "text": text, "run_id": run_id}
        files.write_once(self.home.folder / "alerts" / pipeline / f"{run_id}.json", files.to_json(alert))
        if self.url:
            body = json.dumps({"text": f"{owner}: {text} (run {run_id})"}).encode("utf-8")
            with urlopen(Request(self.url, body, {"Content-Type": "application/json"}), timeout=10):
                pass
