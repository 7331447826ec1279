"""What the documents say is what the code does."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from callboard._app import load_scenario

ROOT = Path(__file__).resolve().parent.parent


def test_supervision_table_is_the_one_the_specifications_give() -> None:
    script = ROOT / "docs" / "make_supervision_table.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0


def test_readme_scenario_is_the_example_and_loads() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert match is not None
    shown = [line for line in match[1].splitlines() if line.strip()]
    example = (ROOT / "examples" / "restaurant.py").read_text(encoding="utf-8")
    held = [line for line in example.splitlines() if line.strip() and '"""A' not in line]
    assert shown == held
    assert load_scenario(str(ROOT / "examples" / "restaurant.py")).__name__ == "restaurant"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_import_without_doing_anything(path: Path) -> None:
    runpy.run_path(str(path), run_name="example")


def test_readme_names_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^\$ make ([a-z]+)", readme, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_page_on_testing_runs() -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page, re.DOTALL), 1):
        exec(compile(block, f"docs/testing.md, block {number}", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_") and callable(value)]
    assert len(tests) == 4
    for test in tests:
        test()
