"""What subscribers of the feed may ask for, over real links: prefixes work, and a flood costs its sender the link."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import zmq
from feed_world import World
from zmq.utils.monitor import recv_monitor_message

from gateway import subscribers
from gateway.subscribers import Subscribers

SECONDS = 10.0


class Publisher:
    """An XPUB on a port of its own, and what it makes of subscriptions."""

    def __init__(self, context: "zmq.Context[Any]") -> None:
        self.world = World()
        self.world.feed.ignore(b"")
        self.dropped: list[Any] = []
        self.socket = context.socket(zmq.XPUB)
        self.socket.linger = 0
        self.readers = Subscribers(self.socket, lambda: self.world.feed, self.dropped.append)
        self.endpoint = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"

    def until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < end, "it did not come to that"
            if not self.readers.take():
                self.socket.poll(10)

    def built(self) -> set[bytes]:
        """The topics that are built for an order in both instruments."""
        return {topic for topic, _ in self.world.entry([("new", 0, 0, 100, 1), ("new", 1, 0, 100, 1)])}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with zmq.Context() as context:
        made = Publisher(context)
        yield made
        made.socket.close()


@contextmanager
def subscriber(publisher: Publisher) -> "Iterator[tuple[zmq.Socket[bytes], Callable[[], bool]]]":
    """A socket, and whether it has lost its link."""
    with zmq.Context() as context, context.socket(zmq.XSUB) as made:
        made.linger = 0
        made.sndhwm = 0
        made.reconnect_ivl = -1
        monitor = made.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        made.connect(publisher.endpoint)
        yield made, lambda: bool(monitor.poll(0)) and bool(recv_monitor_message(monitor))
        made.disable_monitor()
        monitor.close()


@pytest.mark.parametrize("prefix", [b"", b"l", b"levels|", b"levels|BTC/USD|"])
def test_every_prefix_of_a_topic_is_built_while_it_is_subscribed_to(
    publisher: Publisher, prefix: bytes
) -> None:
    with subscriber(publisher) as (reader, _):
        reader.send(b"\1" + prefix)
        publisher.until(lambda: b"levels|BTC/USD|" in publisher.built())
        assert all(topic.startswith(prefix) for topic in publisher.built())
        reader.send(b"\0" + prefix)
        publisher.until(lambda: not publisher.built())


def test_a_flood_of_prefixes_that_no_topic_begins_with_ends_its_link(publisher: Publisher) -> None:
    with subscriber(publisher) as (reader, lost), subscriber(publisher) as (honest, honest_lost):
        honest.send(b"\1trades|XYZ|")
        honest.send(b"\1levels|AAPL|")
        for number in range(2 * subscribers.MOST_FRUITLESS):
            reader.send(b"\1x%d" % number)
        publisher.until(lost)
        assert [address[0] for address in publisher.dropped] == ["127.0.0.1"]
        publisher.until(lambda: publisher.built() == {b"levels|AAPL|"})
        assert not honest_lost()


def test_what_a_dead_link_sent_does_not_cut_off_who_has_its_descriptor_now(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "MOST_FRUITLESS", 20)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as accepted,
    ):
        with subscriber(publisher) as (reader, _):
            for number in range(200):
                reader.send(b"\1x%d" % number)
            assert publisher.socket.poll(SECONDS * 1000)
            descriptor = int(publisher.socket.recv(copy=False).get(zmq.SRCFD))
        wait_until_closed(descriptor)
        os.dup2(accepted.fileno(), descriptor)
        try:
            while publisher.readers.take() or publisher.socket.poll(100):
                pass
        finally:
            os.close(descriptor)
        accepted.send(b"still there")
        assert client.recv(100) == b"still there"
    assert not publisher.dropped


def wait_until_closed(descriptor: int) -> None:
    end = time.monotonic() + SECONDS
    with suppress(OSError):
        while os.fstat(descriptor):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_a_frame_longer_than_any_topic_ends_its_link(publisher: Publisher) -> None:
    with subscriber(publisher) as (reader, lost):
        reader.send(b"\1levels|" + bytes(subscribers.MOST_BYTES))
        publisher.until(lost)


def test_a_visit_is_cut(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    with subscriber(publisher) as (reader, _):
        reader.send(b"\1levels|AAPL|")
        publisher.until(lambda: bool(publisher.built()))
        monkeypatch.setattr(subscribers, "VISIT_NS", 0)
        assert publisher.readers.take()
        monkeypatch.undo()
        assert not publisher.readers.take()
