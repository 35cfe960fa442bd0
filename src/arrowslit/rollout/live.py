"""Which targets can be worked with live, and how each begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from arrowslit.documents.settings import EnforcementPoint
from arrowslit.rollout.aws import AwsPoint
from arrowslit.rollout.aws_api import AwsApi, ec2
from arrowslit.rollout.credentials import read_credentials
from arrowslit.rollout.exim import debian_point, exim_point
from arrowslit.rollout.firewalld import Firewalld
from arrowslit.rollout.iptables import IptablesPoint
from arrowslit.rollout.kept import KeptFile
from arrowslit.rollout.mikrotik import MikrotikPoint
from arrowslit.rollout.mikrotik_api import MikrotikApi
from arrowslit.rollout.nft_program import Nft
from arrowslit.rollout.nftables import NftablesPoint
from arrowslit.rollout.opnsense import OpnsensePoint
from arrowslit.rollout.opnsense_api import OpnsenseApi
from arrowslit.rollout.point import LivePoint, RolloutError
from arrowslit.rollout.postfix import PostfixPoint
from arrowslit.rollout.scripted import ScriptedPoint
from arrowslit.rollout.ufw import Ufw
from arrowslit.rollout.web_api import Server, WebApi


def _nftables(point: EnforcementPoint, _: Path) -> LivePoint:
    return NftablesPoint(Nft(), ports=point.ports)


def _opnsense(point: EnforcementPoint, kept: Path) -> LivePoint:
    api = OpnsenseApi(_web(point, "key", "secret"))
    return OpnsensePoint(api, KeptFile(kept), point.rule, point.ports, point.interface)


def _mikrotik(point: EnforcementPoint, kept: Path) -> LivePoint:
    return MikrotikPoint(MikrotikApi(_web(point, "user", "password")), KeptFile(kept), point.ports)


def _aws(point: EnforcementPoint, kept: Path) -> LivePoint:
    if not point.group:
        raise RolloutError("the enforcement point has no group: say which security group is meant")
    credentials = None if point.credentials_file is None else read_credentials(point.credentials_file)
    api = AwsApi(ec2(point.region, point.url, point.ca_file, credentials), point.group, credentials)
    return AwsPoint(api, KeptFile(kept), point.ports, point.close)


def _web(point: EnforcementPoint, user: str, password: str) -> WebApi:
    """The API that the settings name. Raises RolloutError where they do not, or the credentials can't be read."""
    if not point.url:
        raise RolloutError("the enforcement point has no url")
    server = Server(point.url, point.ca_file, point.fingerprint)
    return WebApi(server, read_credentials(point.credentials_file), user, password)


def _iptables(point: EnforcementPoint, _: Path) -> LivePoint:
    return IptablesPoint(ports=point.ports)


def _ufw(point: EnforcementPoint, kept: Path) -> LivePoint:
    return ScriptedPoint(Ufw(), KeptFile(kept), point.ports)


def _firewalld(point: EnforcementPoint, kept: Path) -> LivePoint:
    return ScriptedPoint(Firewalld(), KeptFile(kept), point.ports)


def _postfix(point: EnforcementPoint, _: Path) -> LivePoint:
    return PostfixPoint(ports=point.ports)


def _exim(point: EnforcementPoint, _: Path) -> LivePoint:
    return exim_point(point.ports)


def _exim_debian(point: EnforcementPoint, _: Path) -> LivePoint:
    return debian_point(point.ports)


LIVE: Final[dict[str, Callable[[EnforcementPoint, Path], LivePoint]]] = {
    "nftables": _nftables,
    "opnsense": _opnsense,
    "mikrotik": _mikrotik,
    "aws": _aws,
    "iptables": _iptables,
    "firewalld": _firewalld,
    "ufw": _ufw,
    "postfix": _postfix,
    "exim": _exim,
    "exim-debian": _exim_debian,
}


_INSTEAD: Final = {
    "iptables-docker": "the target nftables guards published ports live: its gate stands before Docker's translation",
}
"""Targets that are not live although one beside them is, and what does the same."""


def live_point(point: EnforcementPoint, kept: Path) -> LivePoint:
    """The live enforcement point; `kept` is the file for what its undo needs, where its place does not keep that.

    Raises RolloutError for a target that is only compiled to.
    """
    if point.target not in LIVE:
        known = ", ".join(LIVE)
        instead = f"; {_INSTEAD[point.target]}" if point.target in _INSTEAD else ""
        raise RolloutError(f"{point.target} is only compiled to: arrowslit target compile{instead}; live are: {known}")
    return LIVE[point.target](point, kept)
