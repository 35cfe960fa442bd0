"""Big networks as files that workers map instead of building them anew (decisions 26).

Terms: a *packed* network is the packed form of its address set (`mail.address_set`) in a file of its own, beside the
policy's copy; `networks.json` names the file of each. The parent writes them, beside the path of the mail; a worker
maps them in no time and shares their memory with the others. Files are replaced, never written over, since a worker
may have the old one mapped.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import shutil
from dataclasses import replace
from pathlib import Path

from arrowslit.documents.atomic import write_atomically
from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.model import Policy

BIG = 4096
"""Ranges from which a network is packed."""

_INDEX = "networks.json"


def folder_of(policy_path: Path) -> Path:
    """The folder of the packed networks that belong to the policy's copy at `policy_path`."""
    return policy_path.with_suffix(".networks")


def pack(policy: Policy, policy_path: Path) -> None:
    """Write the policy's big networks, or remove what was there where it has none. Raises OSError."""
    folder = folder_of(policy_path)
    big = {name: network.addresses for name, network in policy.networks.items() if len(network.addresses) >= BIG}
    if not big:
        shutil.rmtree(folder, ignore_errors=True)
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    index: dict[str, str] = {}
    for name, addresses in big.items():
        octets = addresses.to_bytes()
        index[name] = f"{hashlib.sha256(octets).hexdigest()[:32]}.ranges"
        write_atomically(folder / index[name], octets, 0o600)
    write_atomically(folder / _INDEX, json.dumps(index).encode(), 0o600)
    for stray in folder.glob("*.ranges"):
        if stray.name not in index.values():
            stray.unlink(missing_ok=True)


def packed(policy_path: Path) -> dict[str, AddressSet]:
    """The packed networks by name, mapped; empty where there are none. Raises OSError or ValueError for broken ones."""
    folder = folder_of(policy_path)
    try:
        index = json.loads((folder / _INDEX).read_bytes())
    except FileNotFoundError:
        return {}
    return {name: _mapped(folder / file) for name, file in index.items()}


def _mapped(path: Path) -> AddressSet:
    with path.open("rb") as file:
        return AddressSet.from_buffer(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


def with_packed(policy: Policy, sets: dict[str, AddressSet]) -> Policy:
    """The policy with the addresses of its big networks, as they were packed: exceptions are subtracted already."""
    if not sets:
        return policy
    networks = {
        name: replace(network, addresses=sets[name]) if name in sets else network
        for name, network in policy.networks.items()
    }
    return replace(policy, networks=networks)
