"""The real AWS command line before an imitation of EC2 (moto) on loopback.

    with account(folder) as aws:
        aws.run("ec2", "describe-security-groups")
        aws.script(text, "apply", SECURITY_GROUP=...)

The command line takes half a second to load, so it is loaded once and forks for each call: `aws` on PATH hands its
words and its three streams over. moto has no restore of versions, keeps the size of a list as it was made, and does not
hold a group to its quota.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process

FORKS = r"""
import array, json, os, socket, sys
from awscli.clidriver import create_clidriver
driver = create_clidriver()
import awscli.customizations.commands, botocore.session  # so that a fork has them
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(50)
print("ready", flush=True)
while True:
    one, _ = listener.accept()
    if os.fork():
        one.close()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        continue
    said, fds, _, _ = socket.recv_fds(one, 1 << 20, 3)
    words = json.loads(said)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    try:
        code = driver.main(["--endpoint-url", sys.argv[2], *words])
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        code = 255
    sys.stdout.flush()
    sys.stderr.flush()
    one.sendall(b"%d" % code)
    os._exit(0)
"""

CLIENT = r"""#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as one:
    one.connect("{at}")
    socket.send_fds(one, [json.dumps(sys.argv[1:]).encode()], [0, 1, 2])
    sys.exit(int(one.recv(10)))
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An account with nothing in it but what AWS puts there."""

    folder: Path

    def run(self, *words: str) -> str:
        """What the command line says; an error raises."""
        return subprocess.run(
            [self.folder / "bin/aws", *words, "--output", "text"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()

    def script(self, text: str, say: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a compiled script; what it keeps stays in the folder."""
        script = self.folder / "script"
        script.write_text(text)
        return subprocess.run(
            ["sh", "script", say],
            cwd=self.folder,
            env={"PATH": f"{self.folder}/bin:/usr/bin:/bin", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


@contextmanager
def account(folder: Path) -> Iterator[Account]:
    """Make it until the end of the block."""
    port = process.free_port()
    (folder / "bin").mkdir()
    at = Path("tmp", f"{process.unique('aws')}.sock")  # within the root of the peer
    (folder / "bin/aws").write_text(CLIENT.format(python=sys.executable, at=install.root("awscli") / at))
    (folder / "bin/aws").chmod(0o755)
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": "/tmp",
    }
    moto = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    forks = process.in_chroot("awscli", "usr/bin/python3", "-c", FORKS, f"/{at}", f"http://127.0.0.1:{port}")
    with (
        process.started(
            process.unique("moto"),
            moto,
            folder / "moto.log",
            process.answers("127.0.0.1", port),
            extra_environment={"PYTHONPATH": os.pathsep.join(sys.path)},
            seconds=60,
        ),
        process.started(
            process.unique("aws"),
            forks,
            folder / "aws.log",
            lambda: "ready" in (folder / "aws.log").read_text(),
            extra_environment=environment,
            seconds=60,
        ),
    ):
        try:
            yield Account(folder)
        finally:
            (install.root("awscli") / at).unlink(missing_ok=True)
