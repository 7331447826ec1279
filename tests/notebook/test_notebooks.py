"""The notebooks in the tree: executed, without errors in their outputs, small. All of them run by `make notebooks`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = (
    "01_first_call",
    "02_kill_an_actor",
    "03_audio_path",
    "04_barge_in",
    "05_provider_wires",
    "06_chaos_lab",
)


def test_there_are_six() -> None:
    assert tuple(sorted(path.stem for path in FOLDER.glob("*.ipynb"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_kept_small_and_without_errors(name: str) -> None:
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < 500_000
    book: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    # Executed from the top, in this order.
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert outputs
    assert "".join(book["cells"][0]["source"]).splitlines()[0].endswith("?")


@pytest.mark.slow
def test_a_notebook_runs_from_top_to_bottom() -> None:
    command = [sys.executable, str(FOLDER / "execute.py"), "05"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
