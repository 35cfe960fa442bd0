"""Settings as JSON and back: how the parent hands them to its workers.

Both ends are one version of the program, so the form is no format for anybody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from arrowslit.documents.endpoint import Endpoint, parse_endpoint
from arrowslit.documents.settings import TABLES, EnforcementPoint, ListenerSettings, Settings
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet

_PATH = "path"
_ENDPOINT = "endpoint"
_ADDRESSES = "addresses"


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """The settings in the types that JSON has."""
    return {of.name: _to(getattr(settings, of.name)) for of in fields(settings)}


def settings_from_json(found: Mapping[str, Any]) -> Settings:
    """What `settings_to_json` was given. Raises KeyError, TypeError or ValueError for anything else."""
    tables: dict[str, Any] = {name: cls(**_members(found[name])) for name, cls in TABLES}
    listeners = tuple(ListenerSettings(**_members(one)) for one in found["listeners"])
    points = {name: EnforcementPoint(**_members(one)) for name, one in found["enforcement_points"].items()}
    return Settings(**tables, listeners=listeners, enforcement_points=points)


def _to(value: object) -> Any:
    if isinstance(value, Endpoint):
        return {_ENDPOINT: value.text}
    if isinstance(value, Path):
        return {_PATH: str(value)}
    if isinstance(value, AddressSet):
        return {_ADDRESSES: [f"{first}-{last}" for first, last in value.ranges()]}
    if isinstance(value, tuple):
        return [_to(item) for item in value]
    return _to_object(value)


def _to_object(value: object) -> Any:
    if is_dataclass(value):
        return {of.name: _to(getattr(value, of.name)) for of in fields(value)}
    if isinstance(value, Mapping):
        return {name: _to(item) for name, item in value.items()}
    return value


def _members(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from(value) for name, value in found.items()}


def _from(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, dict):
        return value
    if _ENDPOINT in value:
        return parse_endpoint(value[_ENDPOINT])
    if _PATH in value:
        return Path(value[_PATH])
    return address_set(parse_range(text) for text in value[_ADDRESSES])
