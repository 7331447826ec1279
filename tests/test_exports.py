"""The public surface: exactly these names, all documented, each re-exported once."""

import importlib
import inspect
import types
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
PACKAGES = (
    "callboard",
    "callboard.deepgram",
    "callboard.grok",
    "callboard.actors",
    "callboard.actors.brains",
    "callboard.actors.emulators",
    "callboard.media",
    "callboard.media.speech",
    "callboard.notebook",
    "callboard.protocols",
    "callboard.protocols.deepgram",
    "callboard.protocols.grok",
    "callboard.protocols.twilio",
    "callboard.testing",
)


def public_names(package: str) -> list[str]:
    def public(name: str, value: object) -> bool:
        if name.startswith("_"):
            return False
        if isinstance(value, types.ModuleType):
            return name in {"grok", "twilio"}
        # What a module imports for itself from elsewhere keeps its own name.
        ours = str(getattr(value, "__module__", "callboard")).startswith("callboard")
        return ours or getattr(value, "__name__", None) != name

    return sorted(
        name for name, value in vars(importlib.import_module(package)).items() if public(name, value)
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_surface_is_the_one_that_is_checked_in(package: str) -> None:
    """A change here is a change users see: edit `tests/data/public_names.txt`, and the changelog."""
    listed = [
        line.split()[1]
        for line in (DATA / "public_names.txt").read_text(encoding="utf-8").splitlines()
        if line.split()[0] == package
    ]
    assert public_names(package) == listed


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_class_and_function_is_documented(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__doc__
    for name in public_names(package):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{package}.{name}"


if __name__ == "__main__":
    for package in PACKAGES:
        for name in public_names(package):
            print(package, name)
