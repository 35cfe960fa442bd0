"""Postfix on a machine of one's own: a shell script that root runs on the mail server, and runs again to undo it.

Grants: connecting, delivering (per accepted domain too) and relaying, each apart, on the services of port 25 alone;
submission and all else in master.cf stay as they are. Where postscreen has the port, the service that it passes its
clients to is set. Terms that it can express: all but certificates. Never says where mail goes, and never changes which
domains Postfix handles: where policy and Postfix differ, the script says so. Sources: postconf(1) and (5), master(5),
POSTSCREEN_README, SMTPD_ACCESS_README.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from arrowslit.targets.postfix_lists import MORE_GAPS, TERMS
from arrowslit.targets.postfix_script import Home, body
from arrowslit.targets.target import ALL, Target
from arrowslit.targets.text import SHELL

POSTFIX: Final = Target(
    "postfix", "Postfix on the mail server", ALL, TERMS, SHELL, "sh", partial(body, home=Home()), MORE_GAPS
)
