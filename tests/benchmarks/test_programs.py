"""What benchmarks see of the programs they start."""

import os
import tempfile
from pathlib import Path

import pytest

from programs import NotMeasurable, http_url, open_program, read_process, warnings_of

linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")


def fake_process(folder: Path, name: str = "python") -> None:
    (folder / "self").mkdir(parents=True)
    (folder / "7" / "fd").mkdir(parents=True)
    for number in range(4):
        (folder / "7" / "fd" / str(number)).touch()
    (folder / "7" / "status").write_text(f"Name:\t{name}\nVmRSS:\t   1234 kB\nThreads:\t3\n")
    fields = " ".join(["S", *["0"] * 10, "250", "150", *["0"] * 30])
    (folder / "7" / "stat").write_text(f"7 ({name}) {fields}\n")


@pytest.mark.parametrize("name", ["python", "a b", "a) S 1 ("])
def test_a_process_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    fake_process(tmp_path, name)
    found = read_process(7, tmp_path)
    assert (found.rss, found.handles, found.threads) == (1234 * 1024, 4, 3)
    assert found.cpu == pytest.approx(400 / os.sysconf("SC_CLK_TCK"))


def test_a_process_that_has_ended_is_told_from_a_machine_that_does_not_show_any(tmp_path: Path) -> None:
    with pytest.raises(NotMeasurable, match="Linux only"):
        read_process(7, tmp_path)
    fake_process(tmp_path)
    with pytest.raises(ProcessLookupError, match="8 has ended"):
        read_process(8, tmp_path)
    # A zombie has no memory.
    (tmp_path / "7" / "status").write_text("Name:\tpython\nState:\tZ (zombie)\n")
    with pytest.raises(ProcessLookupError, match="7 has ended"):
        read_process(7, tmp_path)


@linux
def test_this_process_sees_its_own_handles_come_and_go() -> None:
    before = read_process(os.getpid())
    with tempfile.TemporaryFile():
        assert read_process(os.getpid()).handles == before.handles + 1
    after = read_process(os.getpid())
    assert after.handles == before.handles
    assert after.rss > 10_000_000
    assert after.cpu >= before.cpu > 0


def test_only_warnings_of_a_log_are_shown_and_not_all_of_many() -> None:
    log = ["x INFO    a: b\n", *(f"x WARNING a: {number}\n" for number in range(9)), "x ERROR   c\n"]
    assert warnings_of(log)[-1] == "x ERROR   c"
    assert len(warnings_of(log)) == 10
    assert warnings_of(log, limit=2) == ["x WARNING a: 0", "x WARNING a: 1", "... and 8 more warnings"]


def test_pages_of_a_server_are_beside_its_media_socket() -> None:
    assert http_url("ws://127.0.0.1:81/twilio/media", "/metrics") == "http://127.0.0.1:81/metrics"


@pytest.mark.slow
def test_a_program_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match=r"serve did not start: .*there is no file"),
        open_program("serve", "no-such-file.py"),
    ):
        raise AssertionError("it does not start")
