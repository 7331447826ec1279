"""What a process has loaded that imports callboard: memory and start-up time of each server."""

import subprocess
import sys

# Modules for tests, terminals and local speech; whoever uses those imports them.
NEEDLESS = (
    "pytest",
    "trio.testing",
    "callboard.testing",
    "callboard.notebook",
    "callboard.cli",
    "callboard.actors.emulators",
    "callboard.actors.brains",
    "callboard.media.speech",
)


def test_import_leaves_out_what_a_server_does_not_need() -> None:
    script = f"import sys, callboard; print(*(name for name in {NEEDLESS!r} if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
