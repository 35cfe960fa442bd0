"""The parent with real worker processes: restart, reload, drain, hand-over, and what it says of itself."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arrowslit.gateway.control import NodeUnreachable, request
from arrowslit.gateway.intents import left_over
from tests.peers.process import free_port

ROOT = Path(__file__).parents[2]


class Node:
    """A parent of echo workers in a folder of its own."""

    def __init__(self, folder: Path, **plan: object) -> None:
        self.folder = folder
        (folder / "policy").write_text("good")
        self.said: dict[str, object] = {"listeners": ["127.0.0.1:0"], "policy": "policy", "revision": 1, **plan}
        self.write()
        self.processes: list[subprocess.Popen[bytes]] = []

    def write(self, **plan: object) -> None:
        self.said.update(plan)
        (self.folder / "plan.json").write_text(json.dumps(self.said))

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-m", "tests.gateway.echo_parent", str(self.folder / "plan.json")]

    def start(self, *, prefix: tuple[str, ...] = (), fds: tuple[int, ...] = (), **environment: str) -> Node:
        with (self.folder / "stderr").open("ab") as errors:
            process = subprocess.Popen(
                [*prefix, *self.argv],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **environment},
                stderr=errors,
                pass_fds=fds,
            )
        self.processes.append(process)
        return self

    def started(self) -> Node:
        self.start()
        self.until(lambda: self.status()["ready"] and len(self.workers()) == self.said.get("workers", 2))
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self.processes[-1]

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def until(self, holds: Callable[[], object], seconds: float = 20) -> Any:
        """What `holds` gives, as soon as it is true; the node's start and restart are waited for."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := holds():
                    return found
            except (NodeUnreachable, OSError):
                pass
            time.sleep(0.03)
        raise AssertionError(f"it did not come to that; the node said:\n{self.stderr}")

    def status(self) -> dict[str, Any]:
        return request(self.folder / "control.sock", {"do": "status"}, 5)

    def workers(self) -> dict[int, int]:
        """The process of each worker that is ready."""
        return {worker["worker"]: worker["pid"] for worker in self.status()["workers"] if worker["ready"]}

    def port(self, number: int = 0) -> int:
        return int(self.status()["listeners"][number]["bound"].rpartition(":")[2])

    def alarms(self) -> dict[str, str]:
        return {alarm["name"]: alarm["text"] for alarm in self.status()["alarms"]}

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


class Client:
    """One connection to an echo worker."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rwb")
        pid, revision = self.file.readline().split()
        self.pid, self.revision = int(pid), int(revision)

    def say(self, line: str) -> str:
        self.file.write(line.encode() + b"\n")
        self.file.flush()
        return self.file.readline().decode().strip()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def revision_at(port: int) -> int:
    """The revision of the worker that answers there; an echo has shown that it works."""
    with Client(port) as client:
        assert client.say("hello") == "hello"
        return client.revision


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    for process in node.processes:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_killed_worker_is_started_again_and_gives_back_what_it_had(node: Node) -> None:
    node.started()
    client = Client(node.port())
    client.say("hello")
    node.until(lambda: node.status()["sessions"] == 1)
    before = node.workers()
    (number,) = [number for number, pid in before.items() if pid == client.pid]
    client.say("intent")
    os.kill(client.pid, signal.SIGKILL)

    def replaced() -> bool:
        workers = node.workers()
        return len(workers) == 2 and workers[number] != client.pid

    node.until(replaced)
    client.close()
    status = node.status()
    assert status["sessions"] == 0
    assert {"worker-died", "outcome-unknown"} <= set(node.alarms())
    assert node.workers()[1 - number] == before[1 - number], "the other worker has nothing to do with it"
    log = node.folder / "decisions.log"
    node.until(log.exists)
    (record,) = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert (record["outcome"], record["forward_path"]) == ("unknown", "bob@example.org")
    assert len(list(node.folder.glob("intents-*"))) == 2


def test_intents_of_a_node_that_died_are_reported_at_the_next_start(node: Node) -> None:
    node.write(workers=1)
    node.started()
    client = Client(node.port())
    client.say("intent")
    node.process.kill()
    node.process.wait()
    client.close()
    node.until(lambda: any(left_over(path) for path in node.folder.glob("intents-*")))
    node.started()
    assert "outcome-unknown" in node.alarms()
    log = node.folder / "decisions.log"
    node.until(log.exists)
    assert [json.loads(line)["id"] for line in log.read_bytes().splitlines()] == ["T1"]
    assert len(list(node.folder.glob("intents-*"))) == 1


def test_draining_waits_for_sessions_and_takes_no_new_ones(node: Node) -> None:
    node.started()
    port = node.port()
    client = Client(port)
    node.signal(signal.SIGTERM)
    node.until(lambda: "stopping" in node.stderr)
    assert client.say("still here") == "still here"

    def refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return True
        return False  # one more was taken before the listener closed

    node.until(refused)
    assert node.process.poll() is None
    client.close()
    assert node.process.wait(10) == 0
    assert not (node.folder / "control.sock").exists()
    assert list(node.folder.glob("intents-*")) == []


def test_a_drain_has_an_end_and_a_second_signal_ends_it_at_once(node: Node) -> None:
    node.write(drain=600)
    node.started()
    client = Client(node.port())
    node.signal(signal.SIGTERM)
    node.until(lambda: "stopping" in node.stderr)
    assert client.say("still here") == "still here"
    begun = time.monotonic()
    node.signal(signal.SIGTERM)
    assert node.process.wait(10) == 1
    assert time.monotonic() - begun < 8
    assert client.file.readline() == b""
    client.close()


def test_a_drain_ends_after_its_time(node: Node) -> None:
    node.write(drain=0.3)
    node.started()
    client = Client(node.port())
    node.signal(signal.SIGTERM)
    assert node.process.wait(10) == 0
    assert client.file.readline() == b""
    client.close()


def test_a_reload_takes_up_the_policy_and_keeps_sessions_and_workers(node: Node) -> None:
    node.started()
    client, before = Client(node.port()), node.workers()
    assert client.revision == 1
    node.write(revision=2)
    node.signal(signal.SIGHUP)
    node.until(lambda: node.status()["revision"] == 2)
    assert client.say("still here") == "still here"
    assert revision_at(node.port()) == 2
    assert node.workers() == before
    client.close()


@pytest.mark.parametrize("fault", ["broken", "deadly"])
def test_a_policy_that_workers_refuse_changes_nothing(node: Node, fault: str) -> None:
    node.started()
    (node.folder / "policy2").write_text(fault)
    node.write(revision=2, policy="policy2")
    answer = request(node.folder / "control.sock", {"do": "reload"}, 20)
    assert answer["ok"] is False
    assert fault in answer["error"] or "died" in answer["error"]
    assert "reload-refused" in node.alarms()
    node.until(lambda: len(node.workers()) == 2)
    assert node.status()["revision"] == 1
    clients = [Client(node.port()) for _ in range(6)]
    assert {client.revision for client in clients} == {1}
    for client in clients:
        client.close()
    node.write(revision=3, policy="policy")
    assert request(node.folder / "control.sock", {"do": "reload"}, 20) == {"ok": True, "revision": 3}
    assert "reload-refused" not in node.alarms()


def test_files_that_do_not_load_change_nothing(node: Node) -> None:
    node.started()
    (node.folder / "plan.json").write_text("{")
    node.signal(signal.SIGHUP)
    node.until(lambda: "reload refused, revision 1 stays active" in node.stderr)
    assert revision_at(node.port()) == 1


def test_a_reload_opens_and_closes_listeners(node: Node) -> None:
    node.started()
    old_port = node.port()
    client = Client(old_port)
    node.write(listeners=["127.0.0.1:0", "127.0.0.2:0"])
    assert request(node.folder / "control.sock", {"do": "reload"}, 20)["ok"]
    assert node.port(0) == old_port
    bound = node.status()["listeners"][1]["bound"]
    assert bound.startswith("127.0.0.2:")
    with socket.create_connection(("127.0.0.2", node.port(1)), 5) as second:
        assert second.recv(100)
    node.write(listeners=["127.0.0.2:0"], n=1)
    assert request(node.folder / "control.sock", {"do": "reload"}, 20)["ok"]
    assert [at["bound"] for at in node.status()["listeners"]] == [bound]
    with pytest.raises(ConnectionRefusedError):
        revision_at(old_port)
    assert client.say("still here") == "still here"
    with socket.create_connection(("127.0.0.2", node.port()), 5) as second:
        assert second.recv(100), "a listener with new settings goes on"
    client.close()


def test_a_reload_to_a_port_in_use_names_it_and_changes_nothing(node: Node) -> None:
    node.started()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node.write(listeners=["127.0.0.1:0", f"127.0.0.1:{port}"], revision=2)
        answer = request(node.folder / "control.sock", {"do": "reload"}, 20)
    assert not answer["ok"]
    assert f'listener "127.0.0.1:{port}": port {port} is in use: the program "' in answer["error"]
    assert f"(process {os.getpid()})" in answer["error"]
    assert node.status()["revision"] == 1
    assert revision_at(node.port()) == 1


def test_a_start_on_a_port_in_use_says_so(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node.write(listeners=[f"127.0.0.1:{taken.getsockname()[1]}"])
        node.start()
        assert node.process.wait(20) == 1
    assert "is in use" in node.stderr
    assert "Traceback" not in node.stderr


def test_a_policy_that_never_loads_keeps_the_node_unready_and_is_tried_again(node: Node) -> None:
    (node.folder / "policy").write_text("broken")
    node.start()
    node.until(lambda: "worker-start" in node.alarms())
    status = node.status()
    assert not status["ready"]
    assert "is broken" in status["not_ready"][0] or status["not_ready"] == ["no worker is ready"]
    (node.folder / "policy").write_text("good")
    node.until(lambda: len(node.workers()) == 2)


def test_metrics_and_readiness(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    node.write(metrics=f"127.0.0.1:{port}")
    node.started()

    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    assert get("/ready") == (200, "ready\n")
    clients = [Client(node.port()) for _ in range(4)]
    node.until(lambda: "arrowslit_sessions_total 4.0" in get("/metrics")[1])
    os.kill(clients[0].pid, signal.SIGKILL)
    node.until(lambda: "arrowslit_worker_restarts_total 1.0" in get("/metrics")[1])
    assert "arrowslit_sessions_total 4.0" in get("/metrics")[1], "a counter went back"
    last = Client(node.port())
    node.until(lambda: "arrowslit_sessions_total 5.0" in get("/metrics")[1])
    assert 'arrowslit_revision_info{revision="1"} 1.0' in get("/metrics")[1]
    last.say("up 0")
    node.until(lambda: get("/ready") == (503, "no next hop is up\n"))
    last.say("up 1")
    node.until(lambda: get("/ready")[0] == 200)
    last.say("alarm look")
    assert node.until(lambda: node.alarms().get("test")) == "look"
    for client in (*clients, last):
        client.close()


def test_the_policys_file_is_compared_with_what_runs(node: Node) -> None:
    node.write(sha256=hashlib.sha256(b"good").hexdigest())
    node.started()
    assert node.status()["policy_file_differs"] is False
    (node.folder / "policy").write_text("edited")
    assert node.status()["policy_file_differs"] is True


def test_the_control_socket_is_private_and_says_what_it_knows(node: Node) -> None:
    node.started()
    path = node.folder / "control.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    known = "close-session, refresh, reload, sessions, status"
    assert request(path, {"do": "dance"}) == {"ok": False, "error": f"this node knows {known}"}
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(b"\xff{[\n")
        assert json.loads(raw.recv(1000))["ok"] is False
    assert node.status()["node"] == "mx.example.net"


def test_no_node_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(NodeUnreachable, match="no node runs here"):
        request(tmp_path / "control.sock", {"do": "status"})
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "control.sock"))
    with pytest.raises(NodeUnreachable, match="nobody answers"):
        request(tmp_path / "control.sock", {"do": "status"})


_ACTIVATE = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.dup2(int(sys.argv[1]), 3); "


def test_sockets_of_the_service_manager_are_taken_by_address(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        port = given.getsockname()[1]
        node.write(listeners=[f"127.0.0.1:{port}"])
        script = f"{_ACTIVATE} os.execv(sys.argv[2], sys.argv[2:])"
        node.start(prefix=(sys.executable, "-c", script, str(given.fileno())), fds=(given.fileno(),), LISTEN_FDS="1")
        # The queue is the service manager's: a connection made before the node is up is served.
        client = Client(port)
        node.until(lambda: node.status()["ready"])
        assert client.say("hello") == "hello"
        client.close()


def test_readiness_reload_and_stop_are_told_to_the_service_manager(node: Node, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        node.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="600000")
        said = ""

        def heard(text: str) -> str:
            nonlocal said
            while text not in said:
                said += manager.recv(4096).decode() + "\n"
            return said

        heard("READY=1\nSTATUS=revision 1, 2 workers")
        heard("WATCHDOG=1")
        said = ""
        node.signal(signal.SIGHUP)
        heard("READY=1")
        assert "RELOADING=1\nMONOTONIC_USEC=" in said
        node.signal(signal.SIGTERM)
        heard("STOPPING=1")


def test_a_hand_over_to_a_new_process_loses_no_connection(node: Node) -> None:
    node.started()
    port, first = node.port(), node.process.pid
    held = Client(port)
    failures: list[str] = []
    served: list[int] = []
    enough = threading.Event()

    def keep_calling() -> None:
        while not enough.is_set():
            try:
                client = Client(port)
                served.append(client.pid)
                if client.say("x") != "x":
                    failures.append("no echo")
                client.close()
            except (OSError, ValueError) as error:
                failures.append(repr(error))
            time.sleep(0.005)

    callers = [threading.Thread(target=keep_calling) for _ in range(3)]
    for caller in callers:
        caller.start()
    before = set(node.workers().values())
    node.signal(signal.SIGUSR2)
    second = node.until(lambda: node.status()["pid"] != first and node.status()["ready"] and node.status()["pid"])
    node.until(lambda: served[-1] not in before)
    time.sleep(0.3)
    enough.set()
    for caller in callers:
        caller.join()
    assert failures == []
    assert len(served) > 20
    assert held.say("still here") == "still here"
    assert node.process.poll() is None, "the first one waits for its session"
    held.close()
    assert node.process.wait(10) == 0
    assert node.status()["pid"] == second
    assert revision_at(port) == 1
    os.kill(second, signal.SIGTERM)
    node.until(lambda: not (node.folder / "control.sock").exists())


def test_a_hand_over_that_fails_leaves_the_node_as_it_was(node: Node) -> None:
    node.write(upgrade=[sys.executable, "-c", "raise SystemExit(1)"])
    node.started()
    pid = node.process.pid
    node.signal(signal.SIGUSR2)
    node.until(lambda: "upgrade-failed" in node.alarms())
    assert node.status()["pid"] == pid
    assert revision_at(node.port()) == 1


def test_a_hand_over_takes_up_another_address_of_the_metrics(node: Node) -> None:
    before, after = free_port(), free_port()
    node.write(metrics=f"127.0.0.1:{before}")
    node.started()
    first = node.process.pid
    node.write(metrics=f"127.0.0.1:{after}")
    node.signal(signal.SIGUSR2)
    second = node.until(lambda: node.status()["pid"] != first and node.status()["ready"] and node.status()["pid"])
    try:
        assert urllib.request.urlopen(f"http://127.0.0.1:{after}/live", timeout=5).status == 200
        assert node.process.wait(10) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", before), 5)
    finally:
        os.kill(second, signal.SIGTERM)
        node.until(lambda: not (node.folder / "control.sock").exists())
