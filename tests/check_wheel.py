"""Compare a built wheel and sdist with the tree, then import the wheel in an environment of its own.

Run by `make wheel` with the folder that holds both files. A sub-package missing from `packages` in
pyproject.toml works in a checkout and is silently left out of the wheel; this is what notices.
"""

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "actors": "callboard/actors",
    "protocols": "callboard/protocols",
    "media": "callboard/media",
    "callboard/notebook": "callboard/notebook",
    "callboard/testing": "callboard/testing",
}


def expected() -> set[str]:
    """The wheel paths of every module and marker in the tree."""
    names = {f"callboard/{path.name}" for path in (ROOT / "callboard").glob("*.py")} | {"callboard/py.typed"}
    for folder, target in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            names.add(f"{target}/{path.relative_to(ROOT / folder).as_posix()}")
    return names


def main() -> int:
    """Check the newest wheel of a folder."""
    wheel = next(Path(sys.argv[1]).glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = expected()
    missing, extra = sorted(wanted - found), sorted(found - wanted)
    if missing or extra:
        print(f"{wheel.name}: missing {missing}, extra {extra}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], check=True
        )
        program = (
            "import callboard.deepgram, callboard.notebook, callboard.testing as kit; print(kit.__name__)"
        )
        subprocess.run([python, "-W", "error", "-c", program], check=True, cwd=folder)
        subprocess.run(
            [Path(folder) / "bin" / "callboard", "--help"], check=True, cwd=folder, stdout=subprocess.DEVNULL
        )
    print(f"{wheel.name}: {len(found)} files, as in the tree; imports in an environment of its own")
    return 0


if __name__ == "__main__":
    sys.exit(main())
