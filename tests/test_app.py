"""The process as an operator meets it: it starts, says what listens, reloads, stops, and explains failure."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
PATIENCE_S = 15
TOML = """\
[listen]
address = "127.0.0.1:{port}"
{listen}
[admin]
address = "127.0.0.1:0"
[backend]
url = "ws://127.0.0.1:9/cpms"
{backend}
[data]
directory = "{data}"
"""


class Node:
    """A gateway process and what it has said so far."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.port = port
        self.file = folder / "gateway.toml"
        self.output = folder / "output"
        self.write()

    def write(self, listen: str = "", backend: str = "") -> None:
        """Write the configuration file."""
        self.file.write_text(
            TOML.format(port=self.port, listen=listen, backend=backend, data=self.folder / "data")
        )

    @contextmanager
    def running(self) -> Iterator["Node"]:
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "run", str(self.file)],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        try:
            yield self
        finally:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        return self.output.read_text()

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"not so in time: {what}\n{self.said()}"
            time.sleep(0.01)

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it has said something that fits."""
        self.until(lambda: re.search(pattern, self.said(), re.S), pattern)
        found = re.search(pattern, self.said(), re.S)
        assert found is not None
        return found

    def ends(self) -> int:
        self.until(lambda: self.process.poll() is not None, "it ends")
        return int(self.process.returncode)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def handshake(self, port: int, id_: str) -> str:
        """The line with which a charger's handshake is answered."""
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as one:
            one.sendall(
                f"GET /{id_} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
            )
            answer = b""
            while data := one.recv(4096):
                answer += data
        return answer.decode().rsplit("\r\n\r\n", 1)[1].strip()


def test_it_says_what_listens_where_and_stops_when_told(tmp_path):
    with Node(tmp_path).running() as node:
        admin = node.says(r"admin\s+(http://\S+)/metrics")[1]
        node.says(r"chargers\s+listening on ws://127\.0\.0\.1:[1-9]\d*/<charger id>")
        with urlopen(f"{admin}/healthz", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
        node.process.send_signal(signal.SIGTERM)
        assert node.ends() == 0
        assert "Traceback" not in node.said()


def test_an_address_that_is_taken_is_said_in_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Node(tmp_path, port).running() as node:
            assert node.ends() == 1
            line = node.said().strip().splitlines()[-1]
            assert line.startswith(
                f"ocpp-gateway cannot start: listen.address: cannot listen on 127.0.0.1:{port}"
            )
            assert line.endswith(
                f"127.0.0.1:{port}: Address already in use; "
                "choose another address (--listen HOST:PORT; make: LISTEN=HOST:PORT)"
            )
            assert "Traceback" not in node.said()


def test_a_reload_says_what_changed_and_what_needs_a_restart(tmp_path):
    node = Node(tmp_path)
    with node.running():
        port = int(node.says(r"listening on ws://127\.0\.0\.1:(\d+)/.*readyz")[1])
        assert "charger_ids" not in node.handshake(port, "OTHER")
        node.write(listen='charger_ids = ["CP*"]', backend='name = "new"\nanswer_deadline_s = 7')
        node.reload()
        told = node.says(r"reloaded[^\n]*\n")[0]
        assert "listen.charger_ids" in told and "backend.answer_deadline_s" in told
        assert re.search(r"needs_restart=\W*backend\.name", told)
        assert node.handshake(port, "OTHER") == "the charger id OTHER is not in listen.charger_ids"


def test_a_reload_says_that_a_new_backend_takes_a_restart(tmp_path):
    node = Node(tmp_path)
    with node.running():
        node.says("readyz")
        third = '[[backends]]\nname = "third"\nurl = "ws://127.0.0.1:1"\n[[routes]]\nleader = "third"\n'
        node.write()
        node.file.write_text(node.file.read_text() + third)
        node.reload()
        told = node.says(r"not-reloaded[^\n]*\n")[0]
        assert f"{node.file}: backend third is new: new backends take a restart; nothing of the file" in told
        assert "routes[0]" not in told


def test_a_reload_of_a_broken_file_changes_nothing(tmp_path):
    node = Node(tmp_path)
    with node.running():
        node.says("readyz")
        node.write(listen="nonsense = 1")
        node.reload()
        assert "nonsense" in node.says(r"not-reloaded[^\n]*\n")[0]
        node.write()
        node.reload()
        node.says(r"reloaded[^\n]*nothing")
        assert node.process.poll() is None


def test_predictable_hashes_are_refused(tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "run", "--backend", "ws://127.0.0.1:9"],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=tmp_path,
        env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)},
    )
    assert told.returncode == 1
    assert "unset PYTHONHASHSEED=0" in told.stderr


def test_a_damaged_database_is_told_in_the_log_with_counts_and_the_node_serves(tmp_path):
    node = Node(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "gateway.db").touch(0o600)
    (data / "gateway.db").write_bytes(b"\xff" * 8192)
    with node.running():
        said = node.says(r"store-was-corrupt[^\n]*").group()
        assert "gateway.db.broken-" in said and "0 saved" in said
        node.says("Point a charger at")


def test_a_directory_that_cannot_be_written_to_is_told_in_one_line(tmp_path):
    node = Node(tmp_path)
    (tmp_path / "data").write_text("a file in its place")
    with node.running():
        assert node.ends() == 1
        assert re.fullmatch(
            r"ocpp-gateway cannot start: data\.directory: [^\n]*; give a directory "
            r"\(--data DIR; make: DATA=DIR\)\n",
            node.said(),
        )


def test_the_start_says_whom_to_signal_for_a_reload(tmp_path):
    node = Node(tmp_path)
    with node.running():
        pid = node.process.pid
        node.says(rf"process +{pid}; kill -HUP {pid} reads {re.escape(str(node.file))} again")


def test_readiness_says_who_is_refused_while_the_backend_is_away(tmp_path):
    node = Node(tmp_path)

    def reason() -> str:
        with urlopen(f"{admin}/readyz", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
            return str(json.load(answer)["reason"])

    with node.running():
        admin = node.says(r"admin\s+(http://\S+)/metrics")[1]
        node.until(lambda: "is away" in reason(), "the backend is away")
        assert "refuses chargers that it has not let in before" in reason()
        node.file.write_text(node.file.read_text() + '[outage]\nunknown_chargers = "accept"\n')
        node.reload()
        node.says(r"reloaded[^\n]*outage.unknown_chargers")
        assert "refuses" not in reason().partition("; ")[2]


def test_a_second_gateway_is_told_how_to_have_a_directory_of_its_own(tmp_path):
    node, second = Node(tmp_path), Node(tmp_path)
    second.output = tmp_path / "second"
    with node.running():
        node.says("Point a charger at")
        with second.running():
            assert second.ends() == 1
            cure = "end that, or give each its own (--data DIR; make: DATA=DIR)"
            assert second.said().strip().endswith(f"another process uses it; {cure}")


def test_a_reload_of_a_certificate_that_is_none_changes_nothing(tmp_path):
    node = Node(tmp_path)
    (tmp_path / "empty.pem").touch()
    with node.running():
        node.says("readyz")
        files = "\n".join(f'tls_{name} = "{tmp_path}/empty.pem"' for name in ("certificate", "key"))
        node.write(listen=files)
        node.reload()
        assert "holds no certificate" in node.says(r"not-reloaded[^\n]*\n")[0]
