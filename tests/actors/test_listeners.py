"""Hubs, streams and the actor that calls listeners."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from callboard.actors._listeners import EventHub, EventStream, Listeners, SubscriberLagged
from callboard.actors._spec import ChildSpec, Restart
from callboard.actors._system import System, open_system
from tests.actors.peer_kit import settle


class Event:
    def __init__(self, number: int = 0) -> None:
        self.number = number


class Special(Event):
    pass


async def test_streams_get_what_they_asked_for_in_order() -> None:
    hub: EventHub[Event] = EventHub("x")
    everything, special = hub.subscribe(), hub.subscribe(Special)
    events = [Event(1), Special(2), Event(3), Special(4)]
    assert [hub.publish(event) for event in events] == [1, 2, 1, 2]
    hub.close()
    assert [event async for event in everything] == events
    assert [event.number async for event in special] == [2, 4]
    assert [event async for event in hub.subscribe()] == []
    assert hub.publish(Event()) == 0


async def test_a_slow_stream_ends_with_an_error_after_what_fitted() -> None:
    hub: EventHub[Event] = EventHub("the call", capacity=3)
    stream = hub.subscribe()
    assert [hub.publish(Event(number)) for number in range(5)] == [1, 1, 1, 0, 0]
    assert [(await stream.receive()).number for _ in range(3)] == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(SubscriberLagged, match="'the call' left more than 3"):
            await stream.receive()


async def test_a_closed_stream_keeps_what_it_has_and_takes_nothing_more() -> None:
    hub: EventHub[Event] = EventHub("x")
    stream = hub.subscribe()
    hub.publish(Event(1))
    stream.close()
    hub.publish(Event(2))
    assert stream.pending == 1
    assert [event.number async for event in stream] == [1]


async def test_a_stream_nobody_holds_is_forgotten() -> None:
    hub: EventHub[Event] = EventHub("x", capacity=1)

    async def take_one() -> None:
        hub.publish(Event())
        stream: EventStream[Event] = hub.subscribe()
        hub.publish(Event(7))
        async for event in stream:
            assert event.number == 7
            break

    await take_one()
    gc.collect()
    assert hub.publish(Event()) == 0
    assert hub._streams == []


async def test_a_cancelled_receive_takes_nothing() -> None:
    hub: EventHub[Event] = EventHub("x")
    stream = hub.subscribe()
    with trio.move_on_after(0):
        await stream.receive()
    hub.publish(Event(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await stream.receive()
    assert (await stream.receive()).number == 1


@asynccontextmanager
async def calling(listeners: Listeners[Event]) -> AsyncGenerator[System, None]:
    async with open_system() as system:
        await system.start(
            ChildSpec(name="listeners", run=listeners.run, restart=Restart.PERMANENT, mailbox=1, grace=1.0)
        )
        yield system


async def test_only_listeners_of_the_exact_class_are_called() -> None:
    listeners: Listeners[Event] = Listeners("x")
    log: list[object] = []
    listeners.add(Special, log.append)
    async with calling(listeners):
        listeners.publish(Event(1))
        special = Special(2)
        listeners.publish(special)
        await settle()
        assert log == [special]
    assert not listeners.wanted(Event)
    assert listeners.wanted(Special)


async def test_a_listener_that_is_removed_is_not_called_with_what_waits(autojump_clock: object) -> None:
    listeners: Listeners[Event] = Listeners("x")
    log: list[object] = []

    async def first(event: Event) -> None:
        await trio.sleep(1)
        listeners.remove(Event, log.append)

    listeners.add(Event, first)
    log_append = log.append
    listeners.add(Event, log_append)
    async with calling(listeners):
        listeners.publish(Event(1))
        listeners.publish(Event(2))
        await trio.sleep(5)
        assert log == []


async def test_a_listener_that_is_added_later_does_not_get_what_happened_before(
    autojump_clock: object,
) -> None:
    listeners: Listeners[Event] = Listeners("x")
    log: list[Event] = []
    listeners.add(Event, lambda _: None)
    listeners.publish(Event(1))
    listeners.add(Event, log.append)
    listeners.publish(Event(2))
    async with calling(listeners):
        await settle()
        assert [event.number for event in log] == [2]


async def test_a_kill_loses_the_calls_of_one_event_at_most(autojump_clock: object) -> None:
    listeners: Listeners[Event] = Listeners("x")
    log: list[int] = []

    async def listen(event: Event) -> None:
        await trio.sleep(1)
        log.append(event.number)

    listeners.add(Event, listen)
    async with calling(listeners) as system:
        for number in range(5):
            listeners.publish(Event(number))
        await trio.sleep(1.5)
        system.kill("listeners")
        await trio.sleep(10)
        assert log == [0, 2, 3, 4]


async def test_what_waits_is_still_called_at_a_polite_stop(autojump_clock: object) -> None:
    listeners: Listeners[Event] = Listeners("x")
    log: list[object] = []
    listeners.add(Event, log.append)
    async with calling(listeners):
        listeners.publish(Event())
        listeners.call(log.append, "last")
    assert len(log) == 2


async def test_listeners_are_called_by_one_task_alone(autojump_clock: object) -> None:
    listeners: Listeners[Event] = Listeners("x")
    async with calling(listeners):
        await settle()
        before = trio.lowlevel.current_statistics().tasks_living
    await settle()
    # The listeners', and that of the system's root, which ended with them.
    assert before - trio.lowlevel.current_statistics().tasks_living == 2


async def test_another_life_goes_on_with_the_same_queue() -> None:
    listeners: Listeners[Event] = Listeners("x")
    log: list[Event] = []
    listeners.add(Event, log.append)
    for number in range(3):
        async with calling(listeners):
            listeners.publish(Event(number))
            await settle()
        listeners.publish(Event(number + 10))
    assert [event.number for event in log] == [0, 10, 1, 11, 2]


async def test_a_hung_listener_is_reported_and_what_is_lost_counted(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    listeners: Listeners[Event] = Listeners("the call", capacity=2)

    async def hang(_: Event) -> None:
        await trio.sleep_forever()

    listeners.add(Event, hang)
    async with calling(listeners):
        listeners.publish(Event())
        await settle()
        assert [listeners.publish(Event()) for _ in range(5)] == [1, 1, 0, 0, 0]
        assert listeners.lost == 3
        assert caplog.text.count("events are lost for listeners") == 1
        assert "hang does not return" in caplog.text
