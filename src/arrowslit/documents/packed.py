"""The addresses of networks as files that workers map instead of building them anew (decisions 26).

Terms: a *packed* network is the packed form of its address set (`mail.address_set`) in a file of its own, beside the
policy's copy; the *index* of a generation names the file of each. The files bear the digest of what is in them, so
that generations share what has not changed. They are written beside the path of the mail; a worker maps them in no
time and shares their memory with the others. Files are replaced, never written over, since a worker may have the old
one mapped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from arrowslit.documents.atomic import write_atomically
from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.model import Policy

BIG: Final = 4096
"""Ranges from which a network is packed whatever it comes from."""

GENERATIONS: Final = 3
"""How many generations of one revision are kept."""


def folder_of(policy_path: Path) -> Path:
    """The folder of the packed networks that belong to the policy's copy at `policy_path`."""
    return policy_path.with_suffix(".networks")


def big_networks(policy: Policy) -> dict[str, AddressSet]:
    """Those that are worth a file of their own."""
    return {name: network.addresses for name, network in policy.networks.items() if len(network.addresses) >= BIG}


def pack(networks: Mapping[str, AddressSet], policy_path: Path, generation: int) -> None:
    """Write the networks of a generation. Raises OSError."""
    folder = folder_of(policy_path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    index: dict[str, str] = {}
    for name, addresses in networks.items():
        octets = addresses.to_bytes()
        index[name] = f"{hashlib.sha256(octets).hexdigest()[:32]}.ranges"
        if not (folder / index[name]).exists():
            write_atomically(folder / index[name], octets, 0o600)
    write_atomically(_index(policy_path, generation), json.dumps(index).encode(), 0o600)
    _prune(folder)


def is_packed(policy_path: Path, generation: int) -> bool:
    """Whether that generation lies there whole."""
    try:
        index = json.loads(_index(policy_path, generation).read_bytes())
    except (OSError, ValueError):
        return False
    return all((folder_of(policy_path) / file).is_file() for file in index.values())


def generations(policy_path: Path) -> list[int]:
    """The generations that lie there, oldest first."""
    return sorted(int(path.stem) for path in folder_of(policy_path).glob("*.json") if path.stem.isdecimal())


def packed(policy_path: Path, generation: int) -> dict[str, AddressSet]:
    """The packed networks by name, mapped; empty where there are none. Raises OSError or ValueError for broken ones."""
    try:
        index = json.loads(_index(policy_path, generation).read_bytes())
    except FileNotFoundError:
        return {}
    return {name: _mapped(folder_of(policy_path) / file) for name, file in index.items()}


def with_packed(policy: Policy, sets: Mapping[str, AddressSet]) -> Policy:
    """The policy with the addresses of its networks as they were packed: exceptions are subtracted already."""
    if not sets:
        return policy
    networks = {
        name: replace(network, addresses=sets[name]) if name in sets else network
        for name, network in policy.networks.items()
    }
    return replace(policy, networks=networks)


def _index(policy_path: Path, generation: int) -> Path:
    return folder_of(policy_path) / f"{generation}.json"


def _mapped(path: Path) -> AddressSet:
    with path.open("rb") as file:
        return AddressSet.from_buffer(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


def _prune(folder: Path) -> None:
    """Remove what only generations before the last ones need."""
    indexes = sorted((path for path in folder.glob("*.json") if path.stem.isdecimal()), key=lambda path: int(path.stem))
    for old in indexes[:-GENERATIONS]:
        old.unlink(missing_ok=True)
    needed: set[str] = set()
    for index in indexes[-GENERATIONS:]:
        with contextlib.suppress(FileNotFoundError):
            needed.update(json.loads(index.read_bytes()).values())
    for file in folder.glob("*.ranges"):
        if file.name not in needed:
            file.unlink(missing_ok=True)
