"""Makes sure that python-ldap can be compiled here: `python -m tests.peers.headers` exits 0 if so.

Root lets apt-get install the missing headers, which replace nothing and start nothing. Others are told
which packages to ask for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

NEEDED: dict[str, Callable[[], bool]] = {
    "gcc": lambda: shutil.which("gcc") is not None,
    "libldap-dev": lambda: Path("/usr/include/ldap.h").exists(),
    "libsasl2-dev": lambda: Path("/usr/include/sasl/sasl.h").exists(),
    "python3-dev": lambda: Path(sysconfig.get_path("include"), "Python.h").exists(),
}


def absent() -> list[str]:
    """Return the packages whose files are not there."""
    return [package for package, is_there in NEEDED.items() if not is_there()]


def _apt_get(*arguments: str) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(["apt-get", "-qq", *arguments], env=environment, check=False).returncode == 0


def main() -> int:
    """Install what is absent where that is allowed, and say what stays absent."""
    wanted = absent()
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ("install", "--yes", "--no-install-recommends", *wanted)
        if not _apt_get(*command):
            _apt_get("update")
            _apt_get(*command)
    if left := absent():
        print(f"missing to build python-ldap: Debian packages {' '.join(left)}")
    return 1 if absent() else 0


if __name__ == "__main__":
    sys.exit(main())
