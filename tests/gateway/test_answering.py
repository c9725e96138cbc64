"""Replies to snapshot and admin requests: bounded in a visit, and for a peer that does not read."""

import time
from collections.abc import Iterator

import pytest
import zmq

from gateway import answering
from gateway.answering import Answering

Sockets = tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """A ROUTER, not yet connected, and a DEALER that queues nothing itself."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        router.linger = dealer.linger = 0
        dealer.set_hwm(1)
        yield router, dealer


def take(answers: Answering, router: "zmq.Socket[bytes]") -> None:
    """What waits, all of it."""
    while router.poll(200):
        answers.take()


def test_each_gets_its_reply(sockets: Sockets) -> None:
    router, dealer = sockets
    answers = Answering(router, bytes.upper, 16)
    router.bind("inproc://answers")
    dealer.connect("inproc://answers")
    assert not answers.take()
    for request in ([b"one"], [b"", b"two"]):
        dealer.send_multipart(request)
        take(answers, router)
        assert dealer.recv_multipart() == [*request[:-1], request[-1].upper()]


def test_a_visit_ends_when_it_has_made_enough(sockets: Sockets) -> None:
    router, dealer = sockets
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return bytes(answering.VISIT_BYTES // 2)

    answers = Answering(router, answer, 16)
    router.bind("inproc://answers")
    dealer.connect("inproc://answers")
    for _ in range(5):
        dealer.send(b"x")
    visits = []
    while router.poll(200):
        before = len(asked)
        answers.take()
        visits.append(len(asked) - before)
    assert visits == [2, 2, 1]


def test_nothing_is_made_for_a_peer_that_does_not_read(sockets: Sockets) -> None:
    router, dealer = sockets
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return request

    answers = Answering(router, answer, 16)
    router.bind("inproc://answers")
    dealer.connect("inproc://answers")
    for _ in range(10 * answering.MOST_UNREAD):
        dealer.send(b"x")
        take_some(answers)
    assert answering.MOST_UNREAD <= len(asked) <= answering.MOST_UNREAD + 1  # one waits in the DEALER
    for _ in range(len(asked)):
        dealer.recv()
    dealer.send(b"y")
    take(answers, router)
    assert dealer.recv() == b"y"


def take_some(answers: Answering) -> None:
    end = time.monotonic() + 5
    while answers.take():
        assert time.monotonic() < end
