"""Back-off, the breaker and the words for the service manager."""

import os
import socket
from pathlib import Path

from arrowslit.gateway.breaker import Breaker
from arrowslit.gateway.notify import Notify
from arrowslit.gateway.workers import Backoff


def test_backoff_grows_for_short_lives_and_forgets_after_a_long_one() -> None:
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert backoff.after(60.0) == 0.0
    assert backoff.after(0.1) == 0.1


def test_the_service_manager_hears_whole_lines(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(5)
        notify = Notify({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
        assert notify.watchdog_seconds == 30
        notify.ready("revision 4\nMAINPID=1")
        assert manager.recv(999) == b"READY=1\nSTATUS=revision 4 MAINPID=1"
        notify.reloading(12.5)
        assert manager.recv(999) == b"RELOADING=1\nMONOTONIC_USEC=12500000"
        notify.main_process(77)
        assert manager.recv(999) == b"MAINPID=77"
        notify.extend(2)
        assert manager.recv(999) == b"EXTEND_TIMEOUT_USEC=2000000"
    notify.watchdog()


def test_a_breaker_says_at_each_failure_that_it_is_open_and_once_that_it_closed() -> None:
    breaker = Breaker()
    assert [breaker.failed("a", float(second)) for second in range(4)] == [False, False, True, True]
    assert not breaker.allows("a", 8.0)
    assert breaker.succeeded("a")
    assert not breaker.succeeded("a")
    breaker.failed("a", 9.0)
    assert not breaker.succeeded("a")
    assert breaker.allows("a", 9.0)


def test_no_service_manager_no_watchdog() -> None:
    Notify({}).ready()
    assert Notify({}).watchdog_seconds == 0
    assert Notify({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).watchdog_seconds == 0


def test_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0arrowslit-test-{os.getpid()}")
        manager.settimeout(5)
        Notify({"NOTIFY_SOCKET": f"@arrowslit-test-{os.getpid()}"}).watchdog()
        assert manager.recv(99) == b"WATCHDOG=1"
