"""RelayIpList and IPSecurity as octets: the sample of the reference, and everything that may be wrong with one."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.imports.ip_list_blob import BlobError, IpList, decode
from tests.imports.ip_list import blob

SAMPLE = bytes.fromhex(
    "18000080200000803c00008044000080"
    "010000004c000000"
    "0000000000000000"
    "0100000001000000"
    "02000000020000000400000000000000"
    "4c000080"
    "00000000000000000000000000000000"
    "ffffffff7f000001"
)
"""127.0.0.1 alone may, octet by octet as it was seen."""

TWO = bytes.fromhex(
    "18000080200000803c00008044000080"
    "010000004c000000"
    "0000000000000000"
    "0100000002000000"
    "02000000030000000400000000000000"
    "4c000080"
    "00000000000000000000000000000000"
    "ffffffffc0000201c0000207"
)


def texts(read: IpList) -> tuple[list[str], list[str]]:
    return [one.text for one in read.granted], [one.text for one in read.denied]


def test_the_sample() -> None:
    read = decode(SAMPLE)
    assert texts(read) == (["127.0.0.1"], [])
    assert read.only_listed
    assert blob(["127.0.0.1, 255.255.255.255"]) == SAMPLE


def test_two_under_one_mask() -> None:
    assert texts(decode(TWO)) == (["192.0.2.1", "192.0.2.7"], [])
    assert blob(["192.0.2.1", "192.0.2.7"]) == TWO


def test_several_masks_and_both_lists() -> None:
    read = decode(blob(["192.0.2.0, 255.255.255.0", "198.51.100.7"], ["203.0.113.0/28"]))
    assert texts(read) == (["192.0.2.0/24", "198.51.100.7"], ["203.0.113.0/28"])
    assert read.only_listed


def test_only_denied_is_the_other_mode() -> None:
    read = decode(blob([], ["203.0.113.0/28"]))
    assert texts(read) == ([], ["203.0.113.0/28"])
    assert not read.only_listed


def test_the_sign_for_nobody_is_nobody() -> None:
    octets = bytearray(SAMPLE)
    octets[-4:] = bytes(4)
    read = decode(bytes(octets))
    assert (texts(read), read.nobody, read.only_listed) == (([], []), True, True)


def test_the_sign_for_nobody_beside_others_is_an_address() -> None:
    assert texts(decode(blob(["0.0.0.0/32", "192.0.2.1"])))[0] == ["0.0.0.0", "192.0.2.1"]


def test_host_bits_are_cleared_and_told() -> None:
    octets = bytearray(blob(["192.0.2.0/24"]))
    octets[-1] = 9
    (one,) = decode(bytes(octets)).granted
    assert (one.text, one.host_bits) == ("192.0.2.0/24", True)


@pytest.mark.parametrize("at", range(0, 76, 4))
@pytest.mark.parametrize("value", [0, 3, 0x7FFFFFFF, 0x80000000, 0x800000FF, 0xFFFFFFFF])
def test_a_wrong_number_is_seen_wherever_it_stands(at: int, value: int) -> None:
    octets = bytearray(TWO)
    before = struct.unpack_from("<I", octets, at)[0]
    struct.pack_into("<I", octets, at, value)
    if before == value:
        return
    try:
        read = decode(bytes(octets))
    except BlobError:
        return
    # Counts of names are read, since how many there are is all that is told of them.
    assert at in range(60, 76, 4)
    assert read.denied_names or read.granted_names


@pytest.mark.parametrize("length", range(len(TWO)))
def test_a_cut_list_is_none(length: int) -> None:
    with pytest.raises(BlobError):
        decode(TWO[:length])


@pytest.mark.parametrize("more", [b"\x01", bytes(4), b"\xff\xff\xff\xff\xc0\x00\x02\x09"])
def test_what_belongs_to_nothing_is_not_passed_over(more: bytes) -> None:
    with pytest.raises(BlobError, match="belong to nothing"):
        decode(TWO + more)


def test_a_mask_with_a_hole_is_refused() -> None:
    octets = bytearray(TWO)
    octets[76:80] = bytes([255, 0, 255, 0])
    with pytest.raises(BlobError, match="hole"):
        decode(bytes(octets))


def test_many_masks_that_are_not_there_cost_nothing() -> None:
    octets = bytearray(TWO)
    struct.pack_into("<2I", octets, 24, 0xFFFFFFFF, 0)
    with pytest.raises(BlobError, match="no room"):
        decode(bytes(octets))


@given(st.binary(max_size=200))
def test_anything_is_a_list_or_is_refused_in_words(octets: bytes) -> None:
    try:
        decode(octets)
    except BlobError as error:
        assert str(error)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)), max_size=12), st.integers(0, 12))
def test_what_is_written_is_read(networks: list[tuple[int, int]], cut: int) -> None:
    written = [f"{IPv4Address(n >> (32 - size) << (32 - size))}/{size}" for n, size in networks]
    read = decode(blob(written[:cut], written[cut:]))
    if read.nobody:
        return
    granted, denied = texts(read)
    assert set(granted) == {text.removesuffix("/32") for text in written[:cut]}
    assert set(denied) == {text.removesuffix("/32") for text in written[cut:]}


def test_a_gap_before_the_data_is_refused() -> None:
    octets = bytearray(TWO)
    struct.pack_into("<I", octets, 20, 80)
    struct.pack_into("<I", octets, 56, 80 | 0x80000000)
    with pytest.raises(BlobError, match="index ends at 76"):
        decode(bytes(octets[:76] + bytes(4) + octets[76:]))


def test_a_gap_within_the_data_is_refused() -> None:
    octets = bytearray(TWO)
    struct.pack_into("<I", octets, 56, 80 | 0x80000000)
    with pytest.raises(BlobError, match="should lie at 76, and it says 80"):
        decode(bytes(octets[:76] + bytes(4) + octets[76:]))
