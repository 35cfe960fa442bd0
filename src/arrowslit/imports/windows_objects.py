"""The SMTP service of Windows as PowerShell shows it: objects of IIsSmtpServerSetting, read by WMI.

`Get-WmiObject -Namespace root\\MicrosoftIISv2 IIsSmtpServerSetting` gives RelayIpList as null (nobody is listed, in the
strict mode), as an empty array (everybody, in the other mode) or as the octets of the list. Only the forms that tell
null from empty are read: CLIXML and JSON.
"""

from __future__ import annotations

from typing import Final

from arrowslit.imports.clixml import is_clixml
from arrowslit.imports.imported import Source
from arrowslit.imports.powershell import demand, things_of
from arrowslit.imports.powershell_json import is_json
from arrowslit.imports.smtp_values import BLOBS, Property, Service, Value
from arrowslit.imports.things import Thing, as_text, as_texts

HOW: Final = "Get-WmiObject -Namespace root\\MicrosoftIISv2 IIsSmtpServerSetting | Export-Clixml smtp.xml"
_MARK: Final = "RelayIpList"
_MORE: Final = ("relayforauth", "authflags", "accesssslflags", "maxmessagesize", "maxrecipients", "smarthost")


def is_windows_objects(text: str) -> int:
    """How sure it is."""
    return 90 if (is_clixml(text) or is_json(text)) and _MARK in text else 0


def read_windows_objects(source: Source) -> list[Service]:
    """The virtual servers. Raises ImportFailedError."""
    return [_service(one) for one in things_of([source], HOW) if one.has(_MARK)]


def _service(thing: Thing) -> Service:
    demand(thing, "a virtual server", (_MARK,), HOW)
    number = as_text(thing.get("Name")).rpartition("/")[2]
    service = Service("default" if number in {"", "1"} else f"smtp-{number}", thing.origin())
    for name in (*BLOBS, *_MORE):
        if thing.has(name):
            service.properties[name] = Property(_value(thing, name), thing.origin(name))
    return service


def _value(thing: Thing, name: str) -> Value:
    value = thing.get(name)
    if value is None or name not in BLOBS:
        return None if value is None else as_text(value)
    if value == ():
        return ()
    numbers = as_texts(value)
    if all(text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < 256 for text in numbers):
        return bytes(map(int, numbers))
    return as_text(value) or "?"
