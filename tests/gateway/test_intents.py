"""What is about to be handed over outlives the process that was doing it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.gateway.intents import PAYLOAD_OCTETS, Intents, all_left_over, intents_path, left_over

_DIES = """
import sys, time
from pathlib import Path
from arrowslit.gateway.intents import Intents
intents = Intents(Path(sys.argv[1]))
slots = [intents.put(b"message %d" % number) for number in range(3)]
intents.done(slots[1])
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return intents_path(tmp_path, 100, 1)


def test_a_killed_worker_leaves_what_was_under_way_and_a_living_one_nothing(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _DIES, path], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        assert left_over(path) is None
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    found = left_over(path)
    assert found is not None
    assert found.payloads == (b"message 0", b"message 2")
    assert found.torn == 0
    assert all_left_over(path.parent) == [path]


def test_a_new_owner_starts_empty(path: Path) -> None:
    first = Intents(path)
    first.put(b"x")
    first.close()
    Intents(path).close()
    found = left_over(path)
    assert found is not None
    assert found.payloads == ()


def test_two_owners_of_one_file_are_refused(path: Path) -> None:
    owner = Intents(path)
    with pytest.raises(BlockingIOError):
        Intents(path)
    owner.close()


def test_no_file_is_nothing_left_over(path: Path) -> None:
    assert left_over(path) is None


def test_a_torn_slot_is_counted_and_passed_over(path: Path) -> None:
    intents = Intents(path)
    torn, _whole = intents.put(b"torn by a power cut"), intents.put(b"whole")
    intents.close()
    with path.open("r+b") as file:
        file.seek(torn * 1024 + 14)
        file.write(b"\xff")
    found = left_over(path)
    assert found is not None
    assert found.payloads == (b"whole",)
    assert found.torn == 1


@given(st.binary(min_size=1, max_size=6000))
def test_a_file_of_garbage_is_counted_never_believed(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "intents-1-1"
    path.write_bytes(junk)
    found = left_over(path)
    assert found is not None
    assert found.payloads == ()


def test_all_slots_taken_is_counted_and_nothing_is_raised(path: Path) -> None:
    intents = Intents(path)
    slots = [intents.put(b"x") for _ in range(4096)]
    assert len(set(slots)) == 4096
    assert intents.put(b"one more") == -1
    assert intents.overflowed == 1
    intents.done(-1)
    assert intents.taken == 4096
    intents.done(slots[7])
    assert intents.put(b"again") == slots[7]
    intents.close()


def test_too_long_a_payload_is_the_callers_fault(path: Path) -> None:
    intents = Intents(path)
    assert intents.put(b"x" * PAYLOAD_OCTETS) >= 0
    with pytest.raises(ValueError, match="does not fit"):
        intents.put(b"x" * (PAYLOAD_OCTETS + 1))
    intents.close()


def test_a_link_in_the_place_of_the_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"keep me")
    path.symlink_to(target)
    with pytest.raises(OSError):
        Intents(path)
    assert target.read_bytes() == b"keep me"


def test_the_file_has_its_room_from_the_start_since_a_mapped_page_without_a_block_kills(path: Path) -> None:
    intents = Intents(path)
    assert path.stat().st_blocks * 512 >= 4096 * 1024
    assert not intents.problem
    intents.close()
