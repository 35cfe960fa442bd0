"""The rules of iptables and the sets of ipset, from what their save commands write into the values of `firewall`.

Here live the lines, the options and the targets of iptables. Nothing here follows a rule.
"""
