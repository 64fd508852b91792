"""A real Prometheus, and a real load balancer before several gateways, for tests of metrics."""

import json
import os
import shutil
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.servers import Server, free_port, wait_until

INTERVAL = "1s"


class Prometheus(Server):
    """Prometheus with one scrape job.

    Args:
        folder: For its configuration and its data.
        targets: `host:port` of each target.
        rules: Files with rules to load.
    """

    def __init__(self, folder: Path, targets: Sequence[str], rules: Sequence[Path] = ()) -> None:
        self._folder = folder
        self._targets = list(targets)
        self._rules = [str(file) for file in rules]
        self.port = free_port()

    def command(self) -> list[str]:
        self._folder.mkdir(parents=True, exist_ok=True)
        config = {
            "global": {
                "scrape_interval": INTERVAL,
                "scrape_timeout": INTERVAL,
                "evaluation_interval": INTERVAL,
            },
            "rule_files": self._rules,
            "scrape_configs": [{"job_name": "brushwork", "static_configs": [{"targets": self._targets}]}],
        }
        # JSON is YAML.
        (self._folder / "prometheus.yml").write_text(json.dumps(config))
        return [
            program("prometheus"),
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def answers(self) -> bool:
        try:
            return bool(self._get("/-/ready"))
        except OSError:
            return False

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Evaluate an expression now: labels and value of each result."""
        parameters = urllib.parse.urlencode({"query": expression})
        answer = json.loads(self._get(f"/api/v1/query?{parameters}"))
        assert answer["status"] == "success", answer
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    def value(self, expression: str) -> float | None:
        """The only result of an expression; None if it has none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def num_scrapes(self) -> dict[str, float]:
        """How often each target was scraped. A target without a scrape is missing."""
        found = self.query("count_over_time(up[1h])")
        return {labels["instance"]: number for labels, number in found}

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())


def wait_for_scrapes(servers: Sequence[Prometheus], number: int = 2) -> None:
    """Return once each target of all these servers was scraped so many times more."""
    before = [server.num_scrapes() for server in servers]

    def were_scraped() -> bool:
        now = [server.num_scrapes() for server in servers]
        return all(
            counts and all(count >= old.get(target, 0) + number for target, count in counts.items())
            for old, counts in zip(before, now, strict=True)
        )

    wait_until(were_scraped, what="the scrapes", look_s=0.1)


class RoundRobin(Server):
    """nginx, which gives each request to the next upstream.

    Args:
        folder: For its configuration.
        upstreams: `host:port` of each gateway.
    """

    def __init__(self, folder: Path, upstreams: Sequence[str]) -> None:
        self._folder = folder
        self._upstreams = upstreams
        self.port = free_port()

    def command(self) -> list[str]:
        self._folder.mkdir(parents=True, exist_ok=True)
        servers = " ".join(f"server {upstream} max_fails=0;" for upstream in self._upstreams)
        paths = " ".join(
            f"{name}_temp_path {self._folder}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        log = self._folder / "error.log"
        (self._folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {self._folder}/nginx.pid; error_log {log};\n"
            f"events {{}}\n"
            f"http {{ access_log off; {paths} upstream gateways {{ {servers} }}\n"
            f"server {{ listen 127.0.0.1:{self.port}; location / {{\n"
            f"proxy_pass http://gateways; proxy_set_header Host $http_host; }} }} }}\n"
        )
        return [program("nginx"), "-p", str(self._folder), "-c", "nginx.conf", "-e", str(log)]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def program(name: str) -> str:
    """The path of a program of the system; its folder may be missing from the search path."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/opt/prometheus")
    return found or name


def require(*names: str) -> None:
    """Skip the test where one of these programs is missing; in CI, fail."""
    absent = [name for name in names if not Path(program(name)).is_absolute()]
    if absent:
        message = f"not installed: {', '.join(absent)}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
