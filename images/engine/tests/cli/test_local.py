"""A local cluster through the command line: real processes, ended without a word and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from qserv.cli import processes
from qserv.cli.home import Facts, Home, WorkerPorts
from qserv.cli.main import app

SPEC = """
database: sky
family: {stripes: 18, substripes: 2, overlap: 0.1}
tables:
  - name: Star
    kind: director
    key: id
    position: [ra, decl]
    columns: [{name: id, type: BIGINT}, {name: ra, type: DOUBLE}, {name: decl, type: DOUBLE}]
    source: {path: stars.csv, format: csv}
"""


def run(*arguments: str, code: int = 0) -> str:
    answer = CliRunner().invoke(app, list(arguments))
    assert answer.exit_code == code, answer.output
    return answer.output


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Home(tmp_path_factory.mktemp("home"))
    run("local", "up", "--workers", "2", "--home", str(made.path))
    yield made
    run("local", "down", "--home", str(made.path))
    assert not list(made.run.glob("*.pid"))


def count(home: Home, database: str = "sky") -> list[str]:
    command = [sys.executable, "-m", "qserv.cli.main", "sql", "SELECT COUNT(*) AS n FROM Star", "-d", database]
    asked = subprocess.run(
        [*command, "--home", str(home.path), "--format", "csv"], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.split()


def test_secrets_are_their_owners_alone(home: Home) -> None:
    for file in (home.secret_file, home.client_file, home.facts_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for name in ("replication", "worker-0", "worker-1", "czar"):
        process = processes.known(home.run, name)
        assert process is not None
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert home.secret_file.read_text().strip() not in shown


def test_a_load_outlives_the_death_of_every_process(home: Home, tmp_path: Path) -> None:
    rows = [f"{key},{key * 7.3 % 360:.4f},{key * 3.1 % 170 - 85:.4f}" for key in range(400)]
    (tmp_path / "stars.csv").write_text("id,ra,decl\n" + "\n".join(rows) + "\n")
    (tmp_path / "sky.yaml").write_text(SPEC)
    assert "loaded 400 rows" in run("load", str(tmp_path / "sky.yaml"), "--home", str(home.path))
    assert count(home) == ['"n"', "400"]
    for name in ("czar", "worker-0", "worker-1", "replication"):
        process = processes.known(home.run, name)
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
    run("local", "up", "--workers", "2", "--home", str(home.path))
    assert count(home) == ['"n"', "400"]
    again = run("load", str(tmp_path / "sky.yaml"), "--home", str(home.path))
    assert again == "sky had been loaded by this spec before: nothing was to be done\n"


def test_a_load_whose_command_is_killed_goes_on(home: Home, tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Waiting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            go_on.wait(60)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"id,ra,decl\n2,20,20\n3,30,30\n")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    place = ["--home", str(home.path)]
    (tmp_path / "stars.csv").write_text("id,ra,decl\n1,10,10\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), Waiting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        paths = f"[stars.csv, 'http://127.0.0.1:{server.server_port}/more.csv']"
        spec = SPEC.replace("database: sky", "database: killed").replace("path: stars.csv", f"path: {paths}")
        (tmp_path / "sky.yaml").write_text(spec)
        load = [sys.executable, "-m", "qserv.cli.main", "load", str(tmp_path / "sky.yaml"), *place]
        with subprocess.Popen(load, stdout=subprocess.DEVNULL) as command:
            assert asked.wait(60)
            command.kill()
        go_on.set()
        assert "loaded 3 rows" in run("load", str(tmp_path / "sky.yaml"), *place)
        assert "nothing was to be done" in run("load", str(tmp_path / "sky.yaml"), *place)
        server.shutdown()
        thread.join()
    assert count(home, "killed") == ['"n"', "3"]
    run("drop", "killed", "--yes", *place)


def test_files_are_verified_and_settings_changed(home: Home) -> None:
    place = ["--home", str(home.path)]
    assert "0 damaged" in run("verify", *place)
    assert "0 skipped" in run("verify", "--worker", "worker-1", *place)
    assert "not-found" in run("verify", "--worker", "nobody", *place, code=1)
    assert "factor: 3\n" in run("settings", "--factor", "3", *place)
    assert "factor 3 is not met" in run("status", *place)
    assert "factor: 2\n" in run("settings", "--factor", "2", *place)
    assert "worker" in run("drain", "nobody", *place, code=1)


def test_a_wrong_statement_is_told_and_fails(home: Home) -> None:
    assert "unknown-table" in run("sql", "SELECT * FROM Nope", "-d", "sky", "--home", str(home.path), code=1)


def test_statements_of_a_pipe_are_asked_in_turn(home: Home) -> None:
    place = ["--home", str(home.path), "--format", "csv"]
    text = "USE sky; SELECT COUNT(*) AS n FROM Star;\nSELECT 'a;b' AS t -- the last needs no semicolon"
    assert piped(text, *place).splitlines() == ['"n"', "400", '"t"', '"a;b"']
    assert "unknown-column" in piped("SELECT 1; SELECT nope; SELECT 2", *place, code=1)


def piped(text: str, *arguments: str, code: int = 0) -> str:
    answer = CliRunner().invoke(app, ["sql", *arguments], input=text)
    assert answer.exit_code == code, answer.output
    return answer.output


def test_an_output_is_whole_or_not_there(home: Home, tmp_path: Path) -> None:
    place = ["--home", str(home.path), "--format", "csv"]
    assert "file-error" in run("sql", "SELECT 1", "--output", str(tmp_path), *place, code=1)
    assert "file-error" in run("sql", "SELECT 1", "--output", str(tmp_path / "none" / "x"), *place, code=1)
    for form in ("table", "csv", "json", "parquet"):
        made = tmp_path / "made" / form
        made.parent.mkdir(exist_ok=True)
        run("sql", "SELECT 'é' AS t, 1 AS n", "--home", str(home.path), "--format", form, "--output", str(made))
        wrong = run("sql", "SELECT nope", "--home", str(home.path), "--format", form, "--output", str(made), code=1)
        assert "unknown-column" in wrong
    assert sorted(file.name for file in made.parent.iterdir()) == ["csv", "json", "parquet", "table"]
    assert (made.parent / "csv").read_text() == '"t","n"\n"é",1\n'
    assert (made.parent / "json").read_text() == '{"t": "é", "n": 1}\n'
    assert pq.read_table(made.parent / "parquet").to_pylist() == [{"t": "é", "n": 1}]
    assert [line.split() for line in (made.parent / "table").read_text().splitlines()][3:4] == [
        ["│", "é", "│", "1", "│"]
    ]
    shutil.rmtree(made.parent)
    assert "one by one" in run("sql", "SELECT 1; SELECT 2", "--output", str(tmp_path / "x"), *place, code=1)
    assert not [*tmp_path.iterdir(), *tmp_path.parent.glob(".*.part")]


def test_a_broken_load_is_dropped(home: Home, tmp_path: Path) -> None:
    place = ["--home", str(home.path)]
    spec, other = tmp_path / "sky.yaml", SPEC.replace("database: sky", "database: broken")
    spec.write_text(other.replace("stars.csv", "http://127.0.0.1:1/stars.csv"))
    assert "unavailable" in run("load", str(spec), *place, code=1)
    (tmp_path / "stars.csv").write_text("id,ra,decl\n1,2,3\n")
    spec.write_text(other.replace("type: DOUBLE", "type: FLOAT"))
    assert "take it away with 'qserv drop broken.Star'" in run("load", str(spec), *place, code=1)
    assert "unknown-table" in run("drop", "broken.None", "--yes", *place, code=1)
    run("drop", "broken.Star", "--yes", *place)
    assert "loaded 1 rows" in run("load", str(spec), *place)
    run("drop", "broken", "--yes", *place)
    assert "unknown-database" in run("drop", "broken", "--yes", *place, code=1)


def test_accounts_are_set_and_removed(home: Home, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pw\n")
    place = ["--home", str(home.path)]
    run("account", "set", "ann", "--grant", "sky", "--password-file", str(tmp_path / "password"), *place)
    assert "ann" in run("account", "list", *place)
    run("account", "remove", "ann", *place)
    assert "not-found" in run("account", "remove", "ann", *place, code=1)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told = run("local", "up", "--home", str(tmp_path / "other"), "--mysql-port", port, code=1)
    assert f"port {port} of czar is in use" in told


def test_down_never_ends_a_stranger(tmp_path: Path) -> None:
    stranger = processes.Process("czar", os.getpid(), "another time")
    assert not stranger.alive
    assert processes.stop([stranger], 0.1) == []


def test_a_cluster_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    made = Home(tmp_path)
    made.create()
    made.save_facts(Facts(mysql=1, http=1, flight=1, controller=1, workers=(WorkerPorts(1, 1),)))
    made.save_client(1, "a password")
    told = run("local", "status", "--home", str(tmp_path), code=1)
    assert [line.split()[1] for line in told.splitlines() if "ended" in line] == ["replication", "worker-0", "czar"]
    assert "start it with 'qserv local up'" in told
    asked = run("sql", "SELECT 1", "--home", str(tmp_path), code=1)
    assert asked.startswith("unavailable: the czar http://127.0.0.1:1 cannot be reached")
    assert "start it with 'qserv local up'" in asked


def test_no_cluster_is_said_so(tmp_path: Path) -> None:
    assert "qserv local up" in run("sql", "SELECT 1", "--home", str(tmp_path), code=1)


@pytest.mark.parametrize("what", ["data folder", "identity"])
def test_a_worker_whose_disk_cannot_be_used_says_so(tmp_path: Path, what: str) -> None:
    (tmp_path / "secret").write_text("a secret\n")
    private = tmp_path / "data" / ".qserv"
    if what == "identity":
        private.mkdir(parents=True)
        (private / "identity.json").write_text("{")
    else:
        (tmp_path / "data").write_text("no folder")
    facts = {"NAME": "w", "DATA_DIR": tmp_path / "data", "SECRET_FILE": tmp_path / "secret"}
    environment = {f"QSERV_WORKER_{name}": str(value) for name, value in facts.items()}
    environment["QSERV_WORKER_CONTROLLERS"] = '["http://127.0.0.1:1"]'
    ended = subprocess.run(
        [sys.executable, "-m", "qserv.cli.main", "worker"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    told = f"{private}/identity.json is damaged" if what == "identity" else f"the data folder {tmp_path}/data cannot"
    assert ended.stderr.startswith(f"file-error: {told}")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert f"file-error: {tmp_path / 'file'}" in run("local", "up", "--home", str(tmp_path / "file"), code=1)
    assert "file-error" in run("synth", str(tmp_path / "file" / "x"), "--objects", "1", code=1)


def test_missing_and_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "QSERV_WORKER_DATA_DIR: is needed" in run("worker", "--name", "w", code=1)
    monkeypatch.setenv("QSERV_WORKER_FLIGHT_PORT", "70000")
    monkeypatch.setenv("QSERV_WORKER_LOG_LEVEL", "LOUD")
    told = run("worker", "--name", "w", code=1)
    assert "QSERV_WORKER_FLIGHT_PORT: input should be less than or equal to 65535" in told
    assert "QSERV_WORKER_LOG_LEVEL: input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'" in told
