"""Execute the notebooks, each in a kernel of its own, and fail on errors, warnings and output on standard error.

    python notebooks/execute.py [--write] [--limit SECONDS] [NAME ...]

With --write the outputs are kept in the files; without it they are only checked.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

FOLDER = Path(__file__).parent
TIME_LIMIT = 90.0
MOST_OCTETS = 500_000


def execute(path: Path, *, write: bool, limit: float) -> list[str]:
    """Run a notebook from its top; what is wrong with it."""
    book = nbformat.read(path, as_version=4)
    faults: list[str] = []
    client = NotebookClient(
        book, timeout=round(limit), kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    manager = client.create_kernel_manager()
    began_at = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            # No ports, and none of the kernel's words about them.
            manager.transport, manager.ip = "ipc", f"{folder}/kernel"
            client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        return [str(error)[-3000:]]
    seconds = time.monotonic() - began_at
    if seconds > limit:
        faults.append(f"took {seconds:.0f} s, expected {limit:.0f} s at most")
    for number, cell in enumerate(book.cells, 1):
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                faults.append(f"cell {number} wrote to standard error: {output['text'][:500]}")
        cell.metadata.pop("execution", None)
    octets = len(nbformat.writes(book).encode())
    if octets > MOST_OCTETS:
        faults.append(f"has {octets} octets with its outputs, expected {MOST_OCTETS} at most")
    print(
        f"{path.name}: {seconds:.1f} s, {octets // 1000} kB" + ("".join(f"\n  {fault}" for fault in faults)),
        flush=True,
    )
    if write and not faults:
        nbformat.write(book, path)
    return faults


def main() -> int:
    """Execute those that are named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of notebooks; all of them if none is given")
    parser.add_argument("--write", action="store_true", help="keep the outputs in the files")
    parser.add_argument(
        "--limit", type=float, default=TIME_LIMIT, help="for each, seconds (default: %(default)g)"
    )
    arguments = parser.parse_args()
    wanted = [
        path
        for path in sorted(FOLDER.glob("*.ipynb"))
        if not arguments.names or any(name in path.name for name in arguments.names)
    ]
    # Warnings that are usually hidden are told, too, and what is told on standard error is a fault.
    os.environ["PYTHONWARNINGS"] = "default"
    failed = 0
    for path in wanted:
        faults = execute(path, write=arguments.write, limit=arguments.limit)
        failed += bool(faults)
        for fault in faults:
            print(f"{path.name}: {fault}", file=sys.stderr)
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
