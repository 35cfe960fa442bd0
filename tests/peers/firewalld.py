"""firewalld on a host of a test, with a message bus, a configuration and run-time files of its own.

    with firewalld(net.machine, tmp_path) as run:
        run("firewall-cmd --add-service=smtp")

It writes nft's tables itself; iptables is not there, so that it has no direct rules, which nothing here uses.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.peers import install, process
from tests.peers.chroot import Shell, command, shell
from tests.peers.netns import Host

Run = Shell

_BUS = """\
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_type="method_return"/>
    <allow send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="signal"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
  </policy>
</busconfig>
"""


@contextmanager
def firewalld(host: Host, folder: Path) -> Iterator[Run]:
    """Running until the end of the block; `folder` is empty and takes what it writes."""
    binds = _configure(install.root("firewalld"), folder)
    run = Shell("firewalld", host, binds)

    def ready() -> bool:
        return shell("firewalld", host, "firewall-cmd --quiet --state", binds=binds).returncode == 0

    def started(name: str, argv: list[str], ready: Callable[[], bool]) -> AbstractContextManager[process.Running]:
        log = folder / f"{name}.log"
        return process.started(process.unique(name), command("firewalld", argv, binds), log, ready, host=host)

    bus = ["dbus-daemon", "--config-file=/run/bus.conf", "--nofork"]
    daemon = ["firewalld", "--nofork", "--nopid", "--log-target", "console"]
    with started("bus", bus, (folder / "run/dbus/system_bus_socket").exists), started("firewalld", daemon, ready):
        try:
            yield run
        finally:
            run("nft flush ruleset")


def _configure(root: Path, folder: Path) -> dict[str, Path]:
    shutil.copytree(root / "etc/firewalld", folder / "etc")
    for name in ("run/dbus", "run/firewalld", "log"):
        (folder / name).mkdir(parents=True)
    (folder / "run/bus.conf").write_text(_BUS)
    (root / "var/log").mkdir(exist_ok=True)
    return {"/etc/firewalld": folder / "etc", "/run": folder / "run", "/var/log": folder / "log"}
