"""Numbers of the workers become numbers of the node, and counters never go back."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from arrowslit.observe.http import NodeEndpoint
from arrowslit.observe.metrics import FAMILIES, Metrics, NodeMetrics


def worker() -> Metrics:
    metrics = Metrics()
    metrics.decision("reject", "recipient", "may-not-connect")
    metrics.set("arrowslit_sessions_open", (), 3)
    metrics.set("arrowslit_next_hop_up", ("exchange",), 1)
    metrics.next_hop_seconds("exchange", 0.02)
    return metrics


@pytest.fixture
def node() -> NodeMetrics:
    node = NodeMetrics()
    node.take(0, worker().snapshot())
    node.take(1, worker().snapshot())
    return node


REFUSED = ("reject", "recipient", "may-not-connect")


def test_counters_and_open_things_are_summed_and_states_are_not(node: NodeMetrics) -> None:
    assert node.total("arrowslit_decisions", REFUSED) == 2
    assert node.total("arrowslit_sessions_open") == 6
    assert node.total("arrowslit_next_hop_up", ("exchange",)) == 1


def test_counters_do_not_go_back_when_a_worker_dies(node: NodeMetrics) -> None:
    node.retire(0)
    assert node.total("arrowslit_decisions", REFUSED) == 2
    assert node.total("arrowslit_sessions_open") == 3
    node.take(0, worker().snapshot())
    node.retire(0)
    node.retire(0)
    assert node.total("arrowslit_decisions", REFUSED) == 3
    (histogram,) = [m for m in node.collect() if m.name == "arrowslit_next_hop_seconds"]
    counts = {s.labels["le"]: s.value for s in histogram.samples if s.name.endswith("_bucket")}
    assert counts["0.01"] == 0
    assert counts["0.025"] == counts["+Inf"] == 3


def test_labels_are_bounded() -> None:
    metrics = Metrics()
    for number in range(5000):
        metrics.add("arrowslit_faults", (f"reason {number}",))
        metrics.next_hop_seconds(f"hop {number}", 1.0)
    values = metrics.snapshot()["values"]["arrowslit_faults"]
    assert len(values) == 2001
    assert ["other", 3000] in values
    assert len(metrics.snapshot()["histograms"]["arrowslit_next_hop_seconds"]) == 2001


def test_no_family_has_an_address_in_a_label() -> None:
    labels = {label for family in FAMILIES.values() for label in family.labels}
    assert labels.isdisjoint({"client", "address", "client_address", "source", "recipient", "sender", "login"})


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def get(sock: socket.socket, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{sock.getsockname()[1]}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_endpoint(node: NodeMetrics, sock: socket.socket) -> None:
    why_not: list[str] = []
    endpoint = NodeEndpoint(sock, node, lambda: why_not)
    assert get(sock, "/live") == (200, "live\n")
    assert get(sock, "/ready?x=1") == (200, "ready\n")
    why_not.append("no next hop is up")
    assert get(sock, "/ready") == (503, "no next hop is up\n")
    assert get(sock, "/")[0] == 404
    status, text = get(sock, "/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (sample,) = families["arrowslit_decisions"].samples
    assert (sample.name, sample.value) == ("arrowslit_decisions_total", 2)
    assert sample.labels == {"action": "reject", "stage": "recipient", "reason": "may-not-connect"}
    assert families["arrowslit_next_hop_seconds"].type == "histogram"
    endpoint.close()


def test_silent_clients_do_not_keep_others_out_for_ever(node: NodeMetrics, sock: socket.socket) -> None:
    endpoint = NodeEndpoint(sock, node, list)
    silent = [socket.create_connection(sock.getsockname()) for _ in range(12)]
    until = time.monotonic() + 20
    while True:
        try:
            assert get(sock, "/live") == (200, "live\n")
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.2)
    for client in silent:
        client.close()
    endpoint.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "http"]
