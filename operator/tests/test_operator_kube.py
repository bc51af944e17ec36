"""The door to the API server: one request a call, and every failure is a refusal with words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from qserv_operator.kube import ApiServer, RefusedError


class Handler(BaseHTTPRequestHandler):
    """Answers by the name of what is asked for."""

    asked: list[str]

    def _answer(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        if "broken" in self.path:
            self.close_connection = True
            return
        status, text = (200, b"<html>a gateway</html>") if "gateway" in self.path else (429, b'{"message": "slowly"}')
        if "quota" in self.path:
            status, text = 403, b'{"message": "exceeded quota"}'
        self.send_response(status)
        self.send_header("retry-after", "0")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_DELETE = do_PATCH = do_POST = do_PUT = _answer  # noqa: N815  the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Nothing: the test's output stays readable."""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    Handler.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    cluster = {"name": "it", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "it", "context": {"cluster": "it", "user": "it"}}
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "it"}
    made |= {"clusters": [cluster], "contexts": [context], "users": [{"name": "it", "user": {"token": "none"}}]}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(made))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    yield ApiServer()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("name", ["broken", "busy", "gateway", "quota"])
def test_a_change_is_sent_once_and_its_failure_has_words(api: ApiServer, name: str) -> None:
    """A repeated change could come after the lease has ended, and meet what another operator does."""
    with pytest.raises(RefusedError) as refused:
        api.delete("v1", "Pod", "ns", name)
    assert Handler.asked == [f"DELETE /api/v1/namespaces/ns/pods/{name}"]
    words = {"broken": "", "busy": "slowly", "gateway": "no JSON", "quota": "exceeded quota"}
    assert words[name] in str(refused.value)
    assert refused.value.status == {"busy": 429, "quota": 403}.get(name, 0)
