"""Arrowslit: one policy of who may connect, deliver and relay, enforced in front of a mail server.

The rooms and the order in which they may know each other are listed in `docs/architecture.md` and held by
import-linter (`pyproject.toml`). The first four (mail, policy, smtp, session) are pure: no clock, no socket, no
logging, no third party but `idna`.
"""

__version__ = "0.1.0"
