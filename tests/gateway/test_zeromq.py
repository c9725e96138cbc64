"""The connections of a gateway behind a real ROUTER: who is still there, on the loopback device."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import zmq
from test_connections import (
    INPUT_DISCONNECT,
    INPUT_MESSAGE,
    LOGON,
    LOGON_BYTES,
    OPEN,
    Gateway,
    egress,
    heartbeat,
)  # fmt: skip
from zmq.backend.cython import _zmq

from gateway import zeromq


class Client:
    """A DEALER with a context of its own: `die` returns when its connection is closed."""

    def __init__(self, endpoint: str, routing_id: bytes) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        if routing_id:
            self.socket.routing_id = routing_id
        self.socket.connect(endpoint)

    def die(self) -> None:
        self.context.destroy()


class ZeroMQGateway(Gateway):
    def __init__(self) -> None:
        super().__init__()
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.router_mandatory = True
        self.socket.linger = 0
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        zeromq.load(_zmq.__file__)
        self.router = zeromq.FixRouter(self.socket.underlying, self.connections)
        self.connections.outlet = self.router
        self.clients: list[Client] = []

    def client(self, routing_id: bytes = b"") -> Client:
        self.clients.append(Client(self.endpoint, routing_id))
        return self.clients[-1]

    def take(self) -> list[dict[str, int]]:
        """The inputs of the next frame that comes."""
        assert self.socket.poll(10_000)
        self.router.drain(2)  # the routing id is one
        return self.inputs()

    def logon(self, client: Client) -> list[dict[str, int]]:
        client.socket.send(LOGON_BYTES)
        return self.take()

    def open_at(self, logon: dict[str, int]) -> None:
        self.dispatch(egress(OPEN, connection=logon["connection"], epoch=5))

    def forgets(self, routing_id: bytes) -> None:
        """Returns when ZeroMQ has let go of it; one that comes before is not heard."""
        with suppress(zmq.ZMQError):
            while True:
                self.socket.send_multipart([routing_id, b"x"])
                time.sleep(0.01)

    def close(self) -> None:
        for client in self.clients:
            client.die()
        self.context.destroy()


@pytest.fixture
def gateway() -> Iterator[ZeroMQGateway]:
    made = ZeroMQGateway()
    yield made
    made.close()


@pytest.mark.parametrize("routing_id", [b"", b"chosen"])
@pytest.mark.parametrize("again", [b"", b"chosen"])
def test_a_dead_peers_end_is_an_input_before_the_logon_that_takes_its_session(
    gateway: ZeroMQGateway, routing_id: bytes, again: bytes
) -> None:
    first = gateway.client(routing_id)
    (logon,) = gateway.logon(first)
    gateway.open_at(logon)
    first.die()
    if routing_id:
        gateway.forgets(routing_id)
    second = gateway.client(again)
    gone, logon_again = gateway.logon(second)
    assert (gone["kind"], gone["session"], gone["epoch"]) == (INPUT_DISCONNECT, 7, 5)
    assert (gone["connection"], gone["number"]) == (logon["connection"], 2)
    assert (logon_again["kind"], logon_again["session"], logon_again["number"]) == (INPUT_MESSAGE, 0, 3)
    assert logon_again["connection"] != logon["connection"]
    gateway.open_at(logon_again)
    gateway.send(1, LOGON)
    assert second.socket.poll(10_000)
    assert b"35=A" in second.socket.recv()
    second.socket.send(heartbeat(2))
    assert [one["msg_seq_num"] for one in gateway.take()] == [2]
    assert gateway.connections.counts()["zeromq"] == 1


def test_a_dead_peer_gives_way_to_tcp_too(gateway: ZeroMQGateway) -> None:
    first = gateway.client()
    (logon,) = gateway.logon(first)
    gateway.open_at(logon)
    first.die()
    number, _ = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    assert [one["kind"] for one in gateway.inputs()] == [INPUT_DISCONNECT, INPUT_MESSAGE]


def test_a_living_peer_keeps_its_session_and_is_told_nothing(gateway: ZeroMQGateway) -> None:
    first = gateway.client()
    (logon,) = gateway.logon(first)
    gateway.open_at(logon)
    (asked,) = gateway.logon(gateway.client())
    assert (asked["kind"], asked["epoch"]) == (INPUT_MESSAGE, 4)
    number, _ = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    assert [one["kind"] for one in gateway.inputs()] == [INPUT_MESSAGE]
    (again,) = gateway.logon(first)  # on its own connection: for the session to judge
    assert (again["kind"], again["session"]) == (INPUT_MESSAGE, 7)
    gateway.send(1, LOGON)
    assert first.socket.poll(10_000)
    assert b"35=A" in first.socket.recv()
    assert not first.socket.poll(0)


def test_a_message_of_several_parts_is_dropped_bit_by_bit_and_cut_off(gateway: ZeroMQGateway) -> None:
    flood = gateway.client()
    (logon,) = gateway.logon(flood)
    gateway.open_at(logon)
    flood.socket.send_multipart([heartbeat(2)] * 1_000)
    assert gateway.socket.poll(10_000)
    visits = 1
    while gateway.router.drain(100):
        visits += 1
    assert visits == 11  # its routing id is a part, too
    (gone,) = gateway.inputs()
    assert (gone["kind"], gone["session"], gone["epoch"]) == (INPUT_DISCONNECT, 7, 5)
    assert gateway.connections.cut_off == 1
    assert flood.socket.recv() == b""
    (again,) = gateway.logon(flood)
    assert again["kind"] == INPUT_MESSAGE
