from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from callboard.media import (
    PCM16_8K,
    ULAW_8K,
    AudioFormat,
    AudioFrame,
    PlayoutBuffer,
    PlayoutChunk,
    PlayoutLedger,
)

T0 = 734_211.375  # clocks do not start at zero


def frame(n: int, *, generation: int = 0, fill: bytes = b"\x10", format: AudioFormat = ULAW_8K) -> AudioFrame:
    return AudioFrame(
        payload=fill * (n * format.sample_width), format=format, position=0, generation=generation
    )


def test_burst_is_released_up_to_the_lead_and_then_at_real_time() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    assert buffer.put(frame(8000), T0)
    first = buffer.due(T0)
    assert [chunk.n_samples for chunk in first] == [160] * 6
    assert [chunk.start for chunk in first] == [0, 160, 320, 480, 640, 800]
    assert buffer.due(T0 + 0.019) == []
    assert buffer.next_due(T0 + 0.019) == pytest.approx(T0 + 0.02)
    for tick in range(1, 45):
        due = buffer.due(T0 + tick * 0.02)
        assert [chunk.start for chunk in due] == [960 + (tick - 1) * 160]
        assert buffer.ahead(T0 + tick * 0.02) == pytest.approx(0.12)
    assert buffer.empty
    assert buffer.next_due(T0 + 2) is None
    assert buffer.drained_at(T0 + 2) == pytest.approx(T0 + 1)


def test_frames_are_merged_and_split_into_chunks() -> None:
    buffer = PlayoutBuffer(ULAW_8K, chunk=0.06, lead=1.0, started_at=T0)
    for fill in (b"a", b"b", b"c", b"d"):
        buffer.put(frame(200, fill=fill), T0)
    chunks = buffer.due(T0)
    assert [chunk.n_samples for chunk in chunks] == [480, 320]
    assert b"".join(chunk.payload for chunk in chunks) == b"a" * 200 + b"b" * 200 + b"c" * 200 + b"d" * 200


def test_frame_of_the_chunk_length_is_not_copied() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    original = frame(160)
    buffer.put(original, T0)
    assert buffer.due(T0)[0].payload is original.payload


def test_pcm16_is_counted_in_samples() -> None:
    buffer = PlayoutBuffer(PCM16_8K, started_at=T0)
    buffer.put(frame(240, format=PCM16_8K), T0)
    assert [(chunk.n_samples, len(chunk.payload)) for chunk in buffer.due(T0)] == [(160, 320), (80, 160)]


def test_chunk_never_spans_two_generations() -> None:
    buffer = PlayoutBuffer(ULAW_8K, chunk=0.06, lead=1.0, started_at=T0)
    buffer.put(frame(100, generation=1), T0)
    buffer.put(frame(100, generation=2), T0)
    assert [(chunk.generation, chunk.n_samples) for chunk in buffer.due(T0)] == [(1, 100), (2, 100)]


def test_chunk_longer_than_the_lead_waits_until_the_far_side_is_idle() -> None:
    buffer = PlayoutBuffer(ULAW_8K, chunk=0.2, lead=0.05, started_at=T0)
    buffer.put(frame(4000), T0)
    assert [chunk.n_samples for chunk in buffer.due(T0)] == [1600]
    assert buffer.next_due(T0) == pytest.approx(T0 + 0.2)


def test_overflow_is_refused_whole_and_counted() -> None:
    buffer = PlayoutBuffer(ULAW_8K, limit=1.0, started_at=T0)
    assert buffer.put(frame(7900), T0)
    assert not buffer.put(frame(101), T0)
    assert buffer.put(frame(100), T0)
    statistics = buffer.statistics()
    assert (statistics.dropped_overflow, statistics.dropped_overflow_samples) == (1, 101)
    assert statistics.accepted == statistics.buffered == statistics.high_water == 8000
    assert buffer.buffered == 1.0


def test_flush_drops_what_waits_and_cuts_what_plays() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    buffer.put(frame(8000, generation=1), T0)
    buffer.due(T0)
    flushed = buffer.flush(2, T0 + 0.05)
    assert (flushed.n_samples_unsent, flushed.n_samples_cut, flushed.cut_at) == (8000 - 960, 960 - 400, 400)
    assert buffer.empty
    assert buffer.ahead(T0 + 0.05) == 0
    again = buffer.flush(2, T0 + 0.06)
    assert (again.n_samples_unsent, again.n_samples_cut) == (0, 0)


def test_stale_frame_is_refused_for_good() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    buffer.flush(3, T0)
    buffer.flush(1, T0)  # the floor does not go down again
    assert not buffer.put(frame(160, generation=2), T0)
    assert buffer.put(frame(160, generation=3), T0)
    assert buffer.statistics().dropped_stale == 1


def test_new_turn_after_a_flush_plays_at_once() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    buffer.put(frame(8000, generation=1), T0)
    buffer.due(T0)
    buffer.flush(2, T0 + 0.03)
    buffer.put(frame(160, generation=2), T0 + 0.03)
    assert [chunk.start for chunk in buffer.due(T0 + 0.03)] == [240]


def test_underrun_is_counted_inside_a_turn_only() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    buffer.put(frame(160, generation=1), T0 + 1)  # silence before the first turn is no underrun
    buffer.due(T0 + 1)
    buffer.put(frame(160, generation=1), T0 + 1.07)  # 50 ms late
    assert [chunk.start for chunk in buffer.due(T0 + 1.07)] == [8560]
    buffer.put(frame(160, generation=2), T0 + 2)  # another turn may begin whenever it likes
    buffer.due(T0 + 2)
    statistics = buffer.statistics()
    assert statistics.underruns == 1
    assert statistics.underrun_duration == pytest.approx(0.05)


def test_silence_after_a_flush_is_no_underrun() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    buffer.put(frame(160, generation=1), T0)
    buffer.due(T0)
    buffer.flush(1, T0 + 0.01)
    buffer.put(frame(160, generation=1), T0 + 1)
    buffer.due(T0 + 1)
    assert buffer.statistics().underruns == 0


def test_drained_at_includes_what_waits() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    assert buffer.drained_at(T0 + 5) == T0
    buffer.put(frame(8000), T0 + 5)
    assert buffer.drained_at(T0 + 5) == pytest.approx(T0 + 6)
    buffer.due(T0 + 5)
    assert buffer.drained_at(T0 + 5) == pytest.approx(T0 + 6)


def test_timeline_starts_with_start_or_the_first_time_seen() -> None:
    explicit = PlayoutBuffer(ULAW_8K)
    with pytest.raises(RuntimeError, match="not been started"):
        explicit.time_at(0)
    explicit.start(T0)
    explicit.put(frame(160), T0 + 1)
    assert explicit.due(T0 + 1)[0].start == 8000
    with pytest.raises(RuntimeError, match="again"):
        explicit.start(T0)
    implicit = PlayoutBuffer(ULAW_8K)
    implicit.put(frame(160), T0 + 1)
    assert implicit.due(T0 + 1)[0].start == 0
    assert implicit.time_at(8000) == T0 + 2
    assert implicit.position_at(T0 + 2) == 8000


def test_time_that_runs_backwards_is_taken_for_the_latest() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    buffer.put(frame(160), T0 + 1)
    assert buffer.due(T0 + 0.5)[0].start == 8000


def test_wrong_frames_and_settings_are_errors() -> None:
    buffer = PlayoutBuffer(ULAW_8K)
    with pytest.raises(ValueError, match="expected ulaw/8000"):
        buffer.put(frame(160, format=PCM16_8K), T0)
    odd = AudioFrame(payload=b"abc", format=PCM16_8K, position=0)
    with pytest.raises(ValueError, match="whole samples"):
        PlayoutBuffer(PCM16_8K).put(odd, T0)
    with pytest.raises(ValueError, match="at least one sample"):
        PlayoutBuffer(ULAW_8K, chunk=0)
    assert PlayoutBuffer(ULAW_8K).put(frame(0), T0)
    assert PlayoutBuffer(ULAW_8K).due(T0) == []


@given(
    rate=st.sampled_from([8000, 11025, 24000, 44100, 48000]),
    started_at=st.floats(0, 1e6),
    chunk=st.floats(0.001, 0.3),
    lead=st.floats(0.001, 0.5),
    n=st.integers(1, 60_000),
)
def test_driver_that_sleeps_until_next_due_always_makes_progress(
    rate: int, started_at: float, chunk: float, lead: float, n: int
) -> None:
    format = AudioFormat(PCM16_8K.encoding, rate)
    buffer = PlayoutBuffer(format, chunk=chunk, lead=lead, limit=10, started_at=started_at)
    assert buffer.put(frame(n, format=format), started_at)
    now = started_at
    total = 0
    for _ in range(100):
        wake = buffer.next_due(now)
        if wake is None:
            break
        assert wake >= now
        now = wake
        chunks = buffer.due(now)
        assert chunks
        total += sum(chunk.n_samples for chunk in chunks)
    else:
        return  # tiny chunks: seen enough
    assert total == n


class PlayoutMachine(RuleBasedStateMachine):
    """Drives a buffer and its ledger as a leg does, and compares with plain arithmetic."""

    @initialize(
        lead=st.sampled_from([0.02, 0.12, 0.5]),
        chunk=st.sampled_from([0.02, 0.06, 0.2]),
        format=st.sampled_from([ULAW_8K, PCM16_8K]),
    )
    def begin(self, lead: float, chunk: float, format: AudioFormat) -> None:
        self.format = format
        self.bound = max(round(lead * 8000), round(chunk * 8000))
        self.buffer = PlayoutBuffer(format, lead=lead, chunk=chunk, limit=2.0, started_at=T0)
        self.ledger = PlayoutLedger(8000)
        self.now = T0
        self.floor = 0
        self.generation = 0
        self.accepted = 0
        self.flushed = 0
        self.sent = 0
        self.waiting = bytearray()  # what must come out, octet for octet
        self.last_end = 0
        self.last_likely: dict[str, int] = {}
        self.marks: list[str] = []
        self.made = 0

    @rule(n=st.integers(0, 5000), age=st.integers(0, 2), fill=st.integers(0, 255))
    def put(self, n: int, age: int, fill: int) -> None:
        generation = max(0, self.generation - age)
        given_frame = frame(n, generation=generation, fill=bytes([fill]), format=self.format)
        fits = len(self.waiting) // self.format.sample_width + n <= 16000
        taken = self.buffer.put(given_frame, self.now)
        assert taken == (fits and generation >= self.floor)
        if taken:
            self.accepted += n
            self.waiting += given_frame.payload
            self.ledger.queued(str(generation), n)

    @rule(seconds=st.floats(0, 0.5))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def next_turn(self) -> None:
        self.generation += 1

    @rule(mark=st.booleans())
    def send(self, mark: bool) -> None:
        for chunk in self.buffer.due(self.now):
            self.check_chunk(chunk)
            key = str(chunk.generation)
            self.ledger.sent(key, self.buffer.time_at(chunk.start), chunk.n_samples)
            if mark:
                self.made += 1
                self.ledger.mark_sent(f"m{self.made}", key)
                self.marks.append(f"m{self.made}")

    def check_chunk(self, chunk: PlayoutChunk) -> None:
        assert chunk.payload == self.waiting[: len(chunk.payload)]
        del self.waiting[: len(chunk.payload)]
        assert chunk.n_samples * self.format.sample_width == len(chunk.payload)
        assert chunk.generation >= self.floor
        position = self.buffer.position_at(self.now)
        assert chunk.start >= max(self.last_end, position)
        assert chunk.start + chunk.n_samples - position <= self.bound
        self.last_end = chunk.start + chunk.n_samples
        self.sent += chunk.n_samples

    @rule(data=st.data())
    def echo(self, data: st.DataObject) -> None:
        if self.marks:  # any order, some twice, some never
            self.ledger.confirm(data.draw(st.sampled_from(self.marks)), self.now)

    @rule()
    def interrupt(self) -> None:
        self.generation += 1
        self.floor = self.generation
        result = self.buffer.flush(self.floor, self.now)
        self.ledger.flush(self.now)
        assert result.n_samples_unsent * self.format.sample_width == len(self.waiting)
        assert result.cut_at == self.buffer.position_at(self.now)
        self.flushed += result.n_samples_unsent
        self.waiting.clear()
        self.last_end = min(self.last_end, result.cut_at)
        before = {key: self.ledger.heard(key, self.now) for key in self.ledger.keys}
        for key, heard in before.items():
            assert self.ledger.heard(key, self.now + 60) == heard

    @invariant()
    def the_sums_agree(self) -> None:
        statistics = self.buffer.statistics()
        width = self.format.sample_width
        assert (statistics.accepted, statistics.sent, statistics.flushed) == (
            self.accepted,
            self.sent,
            self.flushed,
        )
        assert self.accepted == self.sent + self.flushed + statistics.buffered
        assert statistics.buffered * width == len(self.waiting)
        assert self.buffer.ahead(self.now) * 8000 <= self.bound
        wake = self.buffer.next_due(self.now)
        assert (wake is None) == self.buffer.empty
        assert wake is None or wake >= self.now

    @invariant()
    def heard_is_ordered_and_monotone(self) -> None:
        for key in self.ledger.keys:
            heard = self.ledger.heard(key, self.now)
            assert 0 <= heard.confirmed <= heard.likely <= heard.sent <= heard.queued
            assert heard.likely >= self.last_likely.get(key, 0)
            self.last_likely[key] = heard.likely


TestPlayoutMachine = PlayoutMachine.TestCase


def test_everything_is_heard_in_the_end() -> None:
    buffer = PlayoutBuffer(ULAW_8K, started_at=T0)
    ledger = PlayoutLedger(8000)
    buffer.put(frame(4321), T0)
    ledger.queued("r", 4321)
    now = T0
    while (wake := buffer.next_due(now)) is not None:
        now = wake
        for chunk in buffer.due(now):
            ledger.sent("r", buffer.time_at(chunk.start), chunk.n_samples)
    end = buffer.drained_at(now)
    assert ledger.heard("r", end - 0.001).likely == 4321 - 8
    assert ledger.heard("r", end).likely == 4321
