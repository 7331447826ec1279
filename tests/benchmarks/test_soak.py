"""A soak in small: the programs start, calls come and go, the verdict is printed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from callboard._app import load_scenario

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize("provider", ["grok", "deepgram"])
def test_the_server_finds_the_scenario_of_each_provider(provider: str) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    assert load_scenario(f"{BENCHMARKS / 'soak_reception.py'}:{provider}").__name__ == provider
    # Only where somebody asks for it.
    assert signal.getsignal(signal.SIGUSR1) is before


def test_wrong_usage_is_told_before_anything_starts() -> None:
    found = subprocess.run(
        [sys.executable, str(BENCHMARKS / "soak.py"), "--minutes", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert "must be positive" in found.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_short_soak_finds_nothing_wrong(tmp_path: Path) -> None:
    given = ("--minutes", "0.08", "--calls", "3", "--record", str(tmp_path))
    found = subprocess.run(
        [sys.executable, str(BENCHMARKS / "soak.py"), *given],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "| server: handles | " in found.stdout
    assert found.stdout.endswith("nothing is wrong\n")
    assert list(tmp_path.glob("*.wav"))
