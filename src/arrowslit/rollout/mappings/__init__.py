"""Finds and deletes forgotten port mappings in the routers of this network, by UPnP (InternetGatewayDevice 1 and 2).

Never makes a mapping: routers that take a remote host do not keep to it (docs/adr/0012-upnp.md), so a mapping can't
carry a policy. Everything that a device sends is a stranger's text: bounded in octets, time and number, never followed
to another address, and as it was sent: whoever shows it escapes it.
"""
