"""Big networks are written once and mapped by the workers, exceptions subtracted."""

from __future__ import annotations

import datetime
import time
from ipaddress import ip_address
from pathlib import Path

from arrowslit.documents import packed
from arrowslit.documents.site import load_site, settings_for_workers, site_for_worker
from arrowslit.mail.address_set import AddressSet

POLICY = """
version = 1
[networks.many]
addresses = ["198.51.100.7"]
file = "many.txt"
except = ["10.0.0.2"]
[networks.few]
addresses = ["192.0.2.1"]
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { network = "many" }, { network = "few" } ]
"""


def _site(folder: Path, ranges: int) -> None:
    (folder / "arrowslit.toml").write_text('[[listeners]]\naddress = "127.0.0.1:25"\n')
    (folder / "policy.toml").write_text(POLICY)
    lines = [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(0, 2 * ranges, 2)]
    (folder / "many.txt").write_text("\n".join(lines))


def test_a_worker_maps_what_the_parent_packed(tmp_path: Path) -> None:
    _site(tmp_path, 10_000)
    site = load_site(tmp_path / "arrowslit.toml", date=datetime.date(2026, 11, 25))
    assert site.policy is not None
    assert site.settings is not None
    copy = tmp_path / "1.toml"
    copy.write_text(POLICY)
    packed.pack(packed.big_networks(site.policy), copy, 1)
    (tmp_path / "many.txt").unlink()
    told = settings_for_workers(site.settings, tmp_path / "arrowslit.toml")
    started = time.perf_counter()
    found = site_for_worker(told, copy, revision=3)
    assert time.perf_counter() - started < 5
    assert found.policy is not None
    assert found.policy.networks == site.policy.networks
    many = found.policy.networks["many"].addresses
    assert many.contains(ip_address("10.0.78.30"))
    assert not many.contains(ip_address("10.0.0.2"))
    assert many.contains(ip_address("198.51.100.7"))


def test_what_is_mapped_stays_while_other_generations_come(tmp_path: Path) -> None:
    _site(tmp_path, 5000)
    copy = tmp_path / "1.toml"
    for generation, ranges in enumerate((5000, 6000, 7000, 8000, 10), 1):
        _site(tmp_path, ranges)
        site = load_site(tmp_path / "arrowslit.toml", date=datetime.date(2026, 11, 25))
        assert site.policy is not None
        packed.pack(packed.big_networks(site.policy), copy, generation)
        if ranges == 5000:
            first = packed.packed(copy, generation)["many"]
    assert packed.generations(copy) == [3, 4, 5]
    assert packed.packed(copy, 5) == {}
    assert packed.packed(copy, 1) == {}
    assert len(packed.packed(copy, 4)["many"]) == 8000
    assert len(first) == 5000
    assert first.contains(ip_address("10.0.39.14"))
    assert len(list(packed.folder_of(copy).glob("*.ranges"))) == 2


def test_a_generation_that_is_not_whole_is_none(tmp_path: Path) -> None:
    copy = tmp_path / "1.toml"
    packed.pack({"few": AddressSet.from_ranges([(ip_address("192.0.2.1"), ip_address("192.0.2.9"))])}, copy, 7)
    assert packed.is_packed(copy, 7)
    assert not packed.is_packed(copy, 8)
    for file in packed.folder_of(copy).glob("*.ranges"):
        file.unlink()
    assert not packed.is_packed(copy, 7)
