"""Files of every packing and encoding, whole, cut off, damaged and hostile."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.logs.lines import LONGEST, Lines, Splitter, text_of
from arrowslit.logs.unpack import BLOCK, UnpackError, unpacked

TEXT = b"".join(b"line %d: caf\xc3\xa9\n" % number for number in range(5000))
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda octets: octets,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": partial(zstd.compress, options={zstd.CompressionParameter.checksum_flag: 1}),
}


def blocks_of(path: Path) -> tuple[bytes, str]:
    """All that can be unpacked, and why there is no more."""
    opened = unpacked(path)
    found = b""
    try:
        for block in opened.blocks():
            found += block
    except UnpackError as error:
        return found, str(error)
    finally:
        opened.close()
    return found, ""


@pytest.mark.parametrize("packing", PACKINGS)
def test_packings_are_found_by_their_octets(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "misleading.txt"
    path.write_bytes(PACKINGS[packing](TEXT))
    opened = unpacked(path)
    opened.close()
    assert opened.packing == packing
    assert blocks_of(path) == (TEXT, "")


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd"])
def test_several_packed_files_in_one(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(PACKINGS[packing](TEXT) + PACKINGS[packing](b"more\n"))
    assert blocks_of(path) == (TEXT + b"more\n", "")


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd"])
def test_of_a_file_that_is_cut_off_the_beginning_is_read(tmp_path: Path, packing: str) -> None:
    text = b"".join(b"%d\n" % random.Random(number).getrandbits(64) for number in range(60_000))
    path = tmp_path / "log"
    packed = PACKINGS[packing](text)
    path.write_bytes(packed[: len(packed) * 3 // 4])
    found, says = blocks_of(path)
    assert says == f"the {packing} file is cut off"
    assert text.startswith(found)
    assert len(found) > 100_000


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd"])
def test_a_damaged_file(tmp_path: Path, packing: str) -> None:
    packed = bytearray(PACKINGS[packing](random.Random(1).randbytes(200_000)))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "log"
    path.write_bytes(packed)
    assert blocks_of(path)[1] == f"the {packing} data is damaged"


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz"])
def test_what_lies_behind_the_end_is_not_lost_in_silence(tmp_path: Path, packing: str) -> None:
    second = bytearray(PACKINGS[packing](b"second\n"))
    second[:2] = b"??"
    path = tmp_path / "log"
    path.write_bytes(PACKINGS[packing](TEXT) + second)
    assert blocks_of(path) == (TEXT, f"the {packing} data is damaged")


@pytest.mark.parametrize("padding", [0, 4, 4096, 3 << 20])
def test_streams_of_xz_may_be_padded(tmp_path: Path, padding: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(lzma.compress(TEXT) + bytes(padding) + lzma.compress(b"more\n") + bytes(padding))
    assert blocks_of(path) == (TEXT + b"more\n", "")


def test_a_file_that_asks_for_gigabytes_is_left() -> None:
    """An xz file of which only the header says how much memory it takes: 4 GB, where 64 KB would do."""
    packed = bytearray(lzma.compress(TEXT, preset=0))
    assert packed[14] == 0x21, "the filter LZMA2"
    packed[16] = 40
    header = 4 * (packed[12] + 1)
    packed[12 + header - 4 : 12 + header] = zlib.crc32(packed[12 : 12 + header - 4]).to_bytes(4, "little")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(packed)
        assert blocks_of(path) == (b"", "the xz data asks for more than 128 MB of memory to be unpacked")
        larger = {zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.enable_long_distance_matching: 1}
        compressor = zstd.ZstdCompressor(options=larger)
        path.write_bytes(compressor.compress(TEXT) + compressor.flush())
        assert blocks_of(path) == (b"", "the zstd data asks for more than 128 MB of memory to be unpacked")


def test_a_file_that_swells_is_left_before_it_fills_anything(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    found, says = blocks_of(path)
    assert "swells more than 500 times" in says
    assert len(found) <= 200 << 20


def lines_of(blocks: list[bytes]) -> tuple[list[bytes], list[int]]:
    found: list[Lines] = list(Splitter().split(blocks))
    numbers = [some.number for some in found]
    lines = [line for some in found for line in some.lines]
    assert numbers == [1 + sum(len(some.lines) for some in found[:at]) for at in range(len(found))]
    return lines, [number for some in found for number in some.cut]


@given(st.lists(st.binary(max_size=30), max_size=30), st.integers(1, 40))
def test_lines_are_the_same_however_they_come(lines: list[bytes], size: int) -> None:
    wanted = [line.replace(b"\n", b"").rstrip(b"\r") for line in lines]
    octets = b"".join(line + b"\n" for line in wanted)
    assert lines_of([octets[at : at + size] for at in range(0, len(octets), size)]) == (wanted, [])


def test_the_last_line_may_lack_its_end_and_ends_are_lf_or_crlf() -> None:
    assert lines_of([b"a\r\nb\nc"]) == ([b"a", b"b", b"c"], [])


def test_offsets_are_where_the_next_line_begins() -> None:
    octets = b"one\ntwo\nthree"
    found = list(Splitter().split([b"one\ntw", b"o\nthr", b"ee"]))
    assert [octets[some.offset :] for some in found if some.lines] == [b"two\nthree", b"three", b""]


def test_an_overlong_line_is_cut_and_the_next_one_is_whole() -> None:
    blocks = [b"a\n" + b"x" * 50_000, *[b"x" * BLOCK] * 100, b"\nlast\n"]
    lines, cut = lines_of(blocks)
    assert cut == [2]
    assert (lines[0], len(lines[1]), lines[2:]) == (b"a", LONGEST, [b"last"])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("size", [2, 3, 1000, BLOCK])
def test_encodings(encoding: str, mark: str, size: int) -> None:
    text = "#Fields: date-time,café\r\n2026-03-02,ß\r\n" * 200
    octets = (mark + text).encode(encoding)
    first = max(size, 1000)
    blocks = [octets[:first], *(octets[at : at + size] for at in range(first, len(octets), size))]
    assert b"".join(text_of(blocks)).decode() == text
