"""The real servers and clients that the gateway is tested against, and the means to start them.

Terms
-----
peer        a program of others that speaks to us: Postfix, Exim, HAProxy, ...
root        the folder that a peer's Debian packages are unpacked into; it holds all its libraries too
instance    one running peer, with a folder, ports and a log of its own
network     a set of hosts (network namespaces) joined by a bridge that leads nowhere else

A peer whose program changes user or has compiled-in paths runs in a chroot and needs root; the others
run by their root's own loader and need no rights. Nothing here ever installs a package, touches the
machine's own mail server, sends to another address than loopback or a made namespace, or ends a process
that it did not start.
"""
