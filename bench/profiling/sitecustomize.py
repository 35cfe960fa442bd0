"""Profiles Arrowslit's workers where BENCH_PROFILE names a folder; on the path only of nodes that the bench starts.

Python imports a module of this name by itself, so that the product needs no switch for it.
"""

from __future__ import annotations

import atexit
import cProfile
import os
import sys

folder = os.environ.get("BENCH_PROFILE")
if folder and any("gateway.worker" in word for word in sys.orig_argv):
    profile = cProfile.Profile()
    atexit.register(lambda: profile.dump_stats(f"{folder}/worker-{os.getpid()}.prof"))
    atexit.register(profile.disable)
    profile.enable()
