"""Rule sets of nftables as JSON, into the values of `firewall`.

Here live the expressions, statements, sets and maps of nft. Nothing here follows a rule. Source of the format:
libnftables-json(5), and what nft 1.0.6 writes.
"""
