"""The ways between generator and sink: each is started once, and all of them stand during the whole run.

An idle way costs nothing, so that rounds over all of them need no starting and stopping. Ways under TLS: HAProxy has
no STARTTLS, so its TLS begins with the connection; smtp-sink speaks no TLS, so there nothing stands between nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers import haproxy, postfix, process, smtp_load
from tests.peers.certs import Authority, Certificate

from arrowslit.gateway.control import request
from bench import processes

PROFILE = "BENCH_PROFILE"
"""The environment variable that names a folder for profiles of Arrowslit's workers."""

NOTHING = "nothing"
HAPROXY = "HAProxy"
PROXY_FILTER = "Postfix, proxy filter"
WITH_QUEUE = "Postfix, queue"
ONE_WORKER = "Arrowslit, 1 worker"
TWO_WORKERS = "Arrowslit, 2 workers"

POLICY = """\
version = 1
[next_hops.sink]
address = "smtp://{address}:{port}"
tls = "off"
connections = 200
[accepted_domains."example.test"]
next_hop = "sink"
{more}
[virtual_servers.default]
refuse_at = "{refuse_at}"
[virtual_servers.default.connection_control]
only_listed = [ {listed} ]
"""

SETTINGS = """\
[node]
name = "mx.arrowslit.test"
workers = {workers}
[[listeners]]
address = "127.0.0.1:{port}"
[[listeners]]
address = "127.0.0.1:{tls_port}"
tls = "starttls"
[tls]
certificate = "{certificate}"
key = "{key}"
[limits]
sessions = 20_000
message_bytes = 62_914_560
[log]
decisions = "decisions.jsonl"
mail = "{mail_log}"
"""


@dataclass(slots=True)
class Way:
    """One way: where it takes mail, plain and under TLS, and the process at its head."""

    name: str
    at: tuple[str, int]
    tls_at: tuple[str, int] | None = None
    tls: str = "starttls"
    heads: list[int] = field(default_factory=list)
    control: Path | None = None
    """The control socket of a node of ours."""
    drained: Callable[[], bool] | None = None
    """Where there is a queue: whether everything that was taken in has been passed on."""

    def place(self, *, tls: bool) -> tuple[str, int] | None:
        """Where to send; None where the way has no TLS."""
        return self.tls_at if tls else self.at

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far."""
        return sum(map(processes.cpu_seconds, self.heads))

    def below(self) -> list[int]:
        """The processes right below its head: workers, and what a node has beside them."""
        return [child for head in self.heads for child in processes.children(head)]

    def workers(self) -> list[int]:
        """The workers of a node of ours. ValueError for another way."""
        if self.control is None:
            raise ValueError(f"{self.name} has no workers")
        return [worker["pid"] for worker in request(self.control, {"do": "status"})["workers"]]


@contextmanager
def arrowslit(
    folder: Path,
    to: tuple[str, int],
    certificate: Certificate,
    *,
    workers: int = 1,
    refuse_at: str = "recipient",
    listed: str = '{ computer = "127.0.0.1" }',
    more: str = "",
    mail_log: str = "",
    store: str = "",
    bare: bool = False,
    wait: float = process.START_SECONDS,
) -> Iterator[Way]:
    """A node of `arrowslit serve` that passes mail on to `to`; `bare`: without a store (`bench.bare`).

    It is waited for `wait` seconds until it listens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, tls_port = process.free_port(), process.free_port()
    files = {"certificate": certificate.certificate_file, "key": certificate.key_file}
    settings = SETTINGS.format(port=port, tls_port=tls_port, workers=workers, mail_log=mail_log, **files)
    if store:
        settings = settings.replace("[node]\n", f'[node]\nstore = "{store}"\n')
    (folder / "arrowslit.toml").write_text(settings)
    address, hop_port = to
    policy = POLICY.format(address=address, port=hop_port, refuse_at=refuse_at, listed=listed, more=more)
    (folder / "policy.toml").write_text(policy)
    path = str(folder / "arrowslit.toml")
    argv = [sys.executable, "-m", *(["bench.bare"] if bare else ["arrowslit.cli.main", "serve", "-c"]), path]
    log = folder / "stderr"
    name = process.unique("arrowslit")
    extra = _profiled()
    with process.started(name, argv, log, lambda: _listening(log), extra_environment=extra, seconds=wait) as running:
        at = ("127.0.0.1", port)
        yield Way(
            f"Arrowslit, {workers} worker{'s' * (workers > 1)}",
            at,
            (at[0], tls_port),
            heads=[running.process.pid],
            control=folder / "state" / "control.sock",
        )


def _listening(log: Path) -> bool:
    return log.read_text(errors="replace").count("listening on") > 1


def _profiled() -> dict[str, str]:
    folder = os.environ.get(PROFILE)
    if not folder:
        return {}
    return {PROFILE: folder, "PYTHONPATH": str(Path(__file__).parent / "profiling")}


@contextmanager
def through_haproxy(to: tuple[str, int], certificate: Certificate) -> Iterator[Way]:
    """HAProxy in TCP mode with one `src` rule, and another one that ends TLS."""
    with (
        haproxy.front(to, allow=["127.0.0.1"]) as plain,
        haproxy.front(to, allow=["127.0.0.1"], certificate=certificate) as under_tls,
    ):
        heads = [plain.running.process.pid, under_tls.running.process.pid]
        yield Way(HAPROXY, (plain.address, plain.port), (under_tls.address, under_tls.port), "implicit", heads)


@contextmanager
def through_postfix(to: tuple[str, int], certificate: Certificate, *, queue: bool) -> Iterator[Way]:
    """Postfix with one rule on the client's address."""
    with postfix.filtering(to, queue=queue, certificate=certificate) as running:
        folders = [running.folder / "queue" / name for name in ("incoming", "active", "deferred", "maildrop")]
        name = WITH_QUEUE if queue else PROXY_FILTER
        heads = [running.running.process.pid]
        drained = (lambda: not any(map(_holds_files, folders))) if queue else None
        yield Way(name, running.at, running.at, heads=heads, drained=drained)


def _holds_files(folder: Path) -> bool:
    return any(entry.is_file() or _holds_files(Path(entry)) for entry in os.scandir(folder) if _there(entry))


def _there(entry: os.DirEntry[str]) -> bool:
    try:
        entry.stat()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def all_ways(folder: Path) -> Iterator[list[Way]]:
    """Start a sink and everything that stands before it."""
    certificate = Authority(folder / "certificates").issue("mx.arrowslit.test")
    with ExitStack() as stack:
        sink = stack.enter_context(smtp_load.sink())
        to = (sink.address, sink.port)
        ways = [
            Way(NOTHING, to, heads=[sink.running.process.pid]),
            stack.enter_context(through_haproxy(to, certificate)),
            stack.enter_context(through_postfix(to, certificate, queue=False)),
            stack.enter_context(through_postfix(to, certificate, queue=True)),
            stack.enter_context(arrowslit(folder / "one", to, certificate)),
            stack.enter_context(arrowslit(folder / "two", to, certificate, workers=2)),
        ]
        time.sleep(0.5)
        yield ways
