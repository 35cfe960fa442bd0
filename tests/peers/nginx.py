"""nginx with its stream module, as a front of TCP connections.

    with stream("server { listen 25; proxy_pass 192.0.2.1:25; }", host, ("192.0.2.25", 25)): ...

The program is checked (`nginx -t`) before it starts.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import install, process
from tests.peers.netns import Host
from tests.peers.process import PeerError, Running


@contextmanager
def stream(block: str, host: Host, ready: tuple[str, int]) -> Iterator[Running]:
    """Run nginx on `host` with `block` included in its stream block, until the end of the Python block."""
    folder = Path(tempfile.mkdtemp(prefix="nginx-"))
    (folder / "block.conf").write_text(block)
    (folder / "nginx.conf").write_text(_config(folder))
    argv = process.by_loader("nginx", "usr/sbin/nginx", "-c", str(folder / "nginx.conf"), "-e", "stderr")
    try:
        checked = process.output([*argv, "-t"], host=host)
        if checked.returncode or "[warn]" in checked.stderr:
            raise PeerError(checked.stderr)
        answers = process.answers(*ready, host=host)
        with process.started(process.unique("nginx"), argv, folder / "log", answers, host=host) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _config(folder: Path) -> str:
    module = install.root("nginx") / "usr/lib/nginx/modules/ngx_stream_module.so"
    return "\n".join(
        (
            f"load_module {module};",
            f"pid {folder}/pid;",
            "error_log stderr warn;",
            "user root root;",
            "daemon off;",
            "worker_processes 1;",
            "worker_rlimit_nofile 10000;",
            "events { worker_connections 8192; }",
            f"stream {{ include {folder}/block.conf; }}",
            "",
        )
    )
