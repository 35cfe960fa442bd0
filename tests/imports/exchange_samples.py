"""Receive connectors as PowerShell shows them, by hand from the reference; the same three in every form."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

EVERYBODY = ["::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0-255.255.255.255"]
DEFAULT: dict[str, object] = {
    "Name": "Default Frontend EX1",
    "Identity": "EX1\\Default Frontend EX1",
    "Server": "EX1",
    "Enabled": True,
    "Bindings": ["[::]:25", "0.0.0.0:25"],
    "RemoteIPRanges": EVERYBODY,
    "PermissionGroups": "AnonymousUsers, ExchangeServers, ExchangeLegacyServers",
    "AuthMechanism": "Tls, Integrated, BasicAuth, BasicAuthRequireTLS, ExchangeServer",
    "RequireTLS": False,
    "TransportRole": "FrontendTransport",
    "MaxMessageSize": "36 MB (37,748,736 bytes)",
    "MaxRecipientsPerMessage": 200,
    "MaxInboundConnectionPerSource": 20,
    "TarpitInterval": "00:00:05",
}
OFFICE = DEFAULT | {
    "Name": "Office",
    "Identity": "EX1\\Office",
    "RemoteIPRanges": ["192.0.2.0/24"],
    "PermissionGroups": "AnonymousUsers, Custom",
    "AuthMechanism": "Tls",
}
PRINTER = OFFICE | {
    "Name": "Not the printer",
    "Identity": "EX1\\Not the printer",
    "RemoteIPRanges": ["192.0.2.40"],
    "PermissionGroups": "ExchangeServers",
}
THREE = [DEFAULT, OFFICE, PRINTER]
"""Everybody may deliver; the office may relay, but for one address in it that may nothing at all."""

ANONYMOUS = "NT AUTHORITY\\ANONYMOUS LOGON"
SUBMIT = "ms-Exch-SMTP-Submit"
ANY = "ms-Exch-SMTP-Accept-Any-Recipient"


def row(identity: str, *rights: str, user: str = ANONYMOUS, deny: bool = False) -> dict[str, object]:
    return {"Identity": identity, "User": user, "ExtendedRights": list(rights), "Deny": deny, "IsInherited": False}


ROWS = [row("EX1\\Default Frontend EX1", SUBMIT), row("EX1\\Office", SUBMIT), row("EX1\\Office", ANY)]
DOMAINS = [
    {"Name": "Ours", "DomainName": "example.org", "DomainType": "Authoritative", "MatchSubDomains": False},
    {"Name": "Shared", "DomainName": "*.shared.example", "DomainType": 2, "MatchSubDomains": False},
    {"Name": "All", "DomainName": "*", "DomainType": "ExternalRelay", "MatchSubDomains": False},
]


def as_json(things: list[dict[str, object]]) -> str:
    return json.dumps(things, indent=2)


def as_list(things: list[dict[str, object]]) -> str:
    blocks = ["\n".join(f"{name:<24}: {_listed(value)}" for name, value in one.items()) for one in things]
    return "\n\n" + "\n\n".join(blocks) + "\n\n\n"


def _listed(value: object) -> str:
    if isinstance(value, list):
        return "{" + ", ".join(map(str, value)) + "}"
    return str(value)


def as_csv(things: list[dict[str, object]]) -> str:
    names = list(things[0])
    rows = [names, *([_joined(one[name]) for name in names] for one in things)]
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in each) for each in rows]
    return "#TYPE Selected.Microsoft.Exchange.Data.Directory.ReceiveConnector\r\n" + "\r\n".join(lines) + "\r\n"


def _joined(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def as_clixml(things: list[dict[str, object]]) -> str:
    """Ranges as objects with their own properties, enumerations with their numbers, octets of .NET beside them."""
    made = ['<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">']
    for number, one in enumerate(things):
        made.append(f'<Obj RefId="{number * 100}"><TN RefId="0"><T>Microsoft.Exchange.X</T></TN><ToString>x</ToString>')
        made.append("<Props>" + "".join(_property(name, value) for name, value in one.items()))
        made.append('<BA N="SerializationData">AAEAAAD/////</BA></Props></Obj>')
    return "\n".join([*made, "</Objs>"])


_ENUMS = {
    "AnonymousUsers, ExchangeServers, ExchangeLegacyServers": 13,
    "AnonymousUsers, Custom": 33,
    "ExchangeServers": 4,
    "Tls, Integrated, BasicAuth, BasicAuthRequireTLS, ExchangeServer": 31,
    "Tls": 1,
    "FrontendTransport": 16384,
    "Authoritative": 0,
    "ExternalRelay": 1,
}


def _property(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f'<B N="{name}">{str(value).lower()}</B>'
    if isinstance(value, int):
        return f'<I32 N="{name}">{value}</I32>'
    if isinstance(value, list):
        items = "".join(
            f'<Obj><TNRef RefId="3"/><ToString>{escape(str(one))}</ToString><Props><S N="X">x</S></Props></Obj>'
            for one in value
        )
        return f'<Obj N="{name}"><TN RefId="1"><T>List</T></TN><LST>{items}</LST></Obj>'
    text = str(value)
    if text in _ENUMS:
        return f'<Obj N="{name}"><TNRef RefId="2"/><ToString>{text}</ToString><I32>{_ENUMS[text]}</I32></Obj>'
    return f'<S N="{name}">{escape(text)}</S>'


FORMS = {"clixml": as_clixml, "json": as_json, "csv": as_csv, "list": as_list}
