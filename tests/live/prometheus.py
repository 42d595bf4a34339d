"""A real Prometheus with the configuration we ship, its target, intervals and rules set for the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from netmon.alerts.catalog import export, load_catalog
from tests.conftest import ROOT, free_port
from tests.live.province import Process, Province, fetch

INTERVAL = "2s"


class Prometheus:
    """Scrapes one province. ``jobs`` and ``rules`` take the place of the shipped scrape jobs and rules."""

    def __init__(
        self, folder: Path, province: Province, jobs: list[dict[str, Any]] | None = None, rules: str = ""
    ) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: Process | None = None
        tree = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
        tree["global"] = {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}
        for job in tree["scrape_configs"]:
            job["scrape_timeout"] = INTERVAL
            job["static_configs"] = [{"targets": [f"127.0.0.1:{province.web_port}"]}]
        if jobs is not None:
            tree["scrape_configs"] = jobs
        tree["rule_files"] = [str(folder / "netmon.rules.yml")]
        (folder / "netmon.rules.yml").write_text(rules or export(load_catalog()), encoding="utf-8")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(tree))

    def start(self) -> None:
        """Until it answers and has scraped everything once."""
        self._process = Process(
            self._folder / "prometheus.log", "prometheus",
            f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn",
        )  # fmt: skip
        self._process.wait_for(lambda: fetch(self._url("/-/ready")).status == 200, "readiness")
        self._process.wait_for(self._scraped, "a first scrape of every target")

    def close(self) -> None:
        if self._process is not None:
            self._process.end()

    @property
    def log(self) -> str:
        assert self._process is not None
        return self._process.text

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The instant vector of ``expr``. Fails with Prometheus' own words."""
        found = self.ask("/api/v1/query", query=expr)
        assert found["resultType"] in ("vector", "scalar"), found["resultType"]
        result: list[dict[str, Any]] = found["result"]
        return result

    def value(self, expr: str) -> float:
        """The only value of ``expr``. Raises ValueError where there is not exactly one."""
        [entry] = self.query(expr)
        return float(entry["value"][1])

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/api/v1/targets", state="active")["activeTargets"]
        return found

    def ask(self, path: str, **params: str) -> Any:
        answer = fetch(self._url(path) + "?" + urlencode(params)).json
        assert answer["status"] == "success", answer.get("error")
        assert not answer.get("warnings"), answer["warnings"]
        return answer["data"]

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def _scraped(self) -> bool:
        targets = self.targets()
        return bool(targets) and all(target["health"] != "unknown" for target in targets)
