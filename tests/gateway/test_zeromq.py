"""The connections of a gateway behind a real ROUTER: who is still there, on the loopback device."""

import signal
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
    SECOND,
    Gateway,
    Transport,
    egress,
    fix,
    heartbeat,
)  # fmt: skip
from zmq.backend.cython import _zmq

from gateway import zeromq

RESET_BYTES = fix("A", 1, "98=0", "108=30", "141=Y")


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
    second = gateway.client()
    assert gateway.logon(second) == []  # refused before the log
    assert second.socket.poll(10_000)
    assert second.socket.recv() == b""
    number, _ = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    assert gateway.inputs() == []
    first.socket.send(RESET_BYTES)  # on its own connection: for the session to judge
    (again,) = gateway.take()
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


@pytest.mark.parametrize(
    "logon_bytes", [LOGON_BYTES, fix("A", 1, "98=0", "108=30", "141=Y", sender="MALLORY")]
)
def test_a_logon_without_reset_or_of_another_comp_id_takes_the_routing_id_over(
    gateway: ZeroMQGateway, logon_bytes: bytes
) -> None:
    client = gateway.client(b"chosen")
    (logon,) = gateway.logon(client)
    gateway.open_at(logon)
    client.socket.send(fix("0", 2) + logon_bytes)  # a Logon behind something else is of the same client
    assert [(one["session"], one["epoch"]) for one in gateway.take()] == [(7, 5), (7, 5)]
    client.socket.send(logon_bytes.replace(b"98=0", b"98=1"))  # garbled
    assert gateway.take() == []
    client.socket.send(logon_bytes + fix("0", 2))
    gone, asked = gateway.take()
    assert (gone["kind"], gone["session"], gone["epoch"]) == (INPUT_DISCONNECT, 7, 5)
    assert (asked["kind"], asked["session"], asked["msg_seq_num"]) == (INPUT_MESSAGE, 0, 1)
    assert asked["connection"] != logon["connection"]
    gateway.dispatch(egress(OPEN, session=9, connection=asked["connection"], epoch=1))
    assert [(one["session"], one["epoch"]) for one in gateway.inputs()] == [(9, 1)]


def test_a_silent_peer_that_died_is_noticed_after_thirty_seconds(gateway: ZeroMQGateway) -> None:
    """Whatever its HeartBtInt; one that lives is asked nothing."""
    living, dead = gateway.client(), gateway.client()
    for session, client in enumerate((living, dead)):
        client.socket.send(fix("A", 1, "98=0", "108=0", sender=f"C{session}"))
        (logon,) = gateway.take()
        gateway.dispatch(egress(OPEN, session=session, connection=logon["connection"], epoch=1))
    dead.die()
    gateway.connections.now_ns += 30 * SECOND - 1
    gateway.connections.sweep()
    assert gateway.inputs() == []
    gateway.connections.now_ns += 1
    gateway.connections.sweep()
    (gone,) = gateway.inputs()
    assert (gone["kind"], gone["session"], gone["epoch"]) == (INPUT_DISCONNECT, 1, 1)
    assert not living.socket.poll(0)
    living.die()
    gateway.connections.now_ns += 30 * SECOND
    gateway.connections.sweep()
    assert [one["session"] for one in gateway.inputs()] == [0]
    assert gateway.connections.counts()["zeromq"] == 0


def test_a_client_that_reconnected_with_its_routing_id_is_alive(gateway: ZeroMQGateway) -> None:
    first = gateway.client(b"chosen")
    (logon,) = gateway.logon(first)
    gateway.open_at(logon)
    first.die()
    gateway.forgets(b"chosen")
    again = gateway.client(b"chosen")
    gateway.connections.now_ns += SECOND
    again.socket.send(heartbeat(2))
    assert [one["session"] for one in gateway.take()] == [7]
    gateway.connections.now_ns += 30 * SECOND
    gateway.connections.sweep()
    assert gateway.inputs() == []


def test_one_transport_cannot_shut_out_the_other_and_the_dead_make_room(gateway: ZeroMQGateway) -> None:
    numbers = iter(lambda: gateway.connections.open(Transport()), 0)
    assert len(list(numbers)) == 3_584
    crowd = gateway.client()
    crowd.context.max_sockets = 2_000
    sockets = []
    for session in range(512):
        sockets.append(crowd.context.socket(zmq.DEALER))
        sockets[-1].linger = 0
        sockets[-1].connect(gateway.endpoint)
        sockets[-1].send(fix("A", 1, "98=0", "108=0", sender=f"C{session}"))
        (logon,) = gateway.take()
        gateway.dispatch(egress(OPEN, session=session, connection=logon["connection"], epoch=1))
    assert gateway.logon(gateway.client()) == []  # all are alive
    crowd.die()
    gateway.connections.now_ns += SECOND
    kinds = [one["kind"] for one in gateway.logon(gateway.client())]
    assert kinds == [INPUT_DISCONNECT] * 512 + [INPUT_MESSAGE]
    assert gateway.connections.counts()["zeromq"] == 1


def test_a_signal_in_the_middle_of_a_call_is_no_failure() -> None:
    """As SIGTERM may come while a socket is looked at; here twenty thousand of them a second."""
    gateway = ZeroMQGateway()
    feed = gateway.context.socket(zmq.XPUB)
    feed.linger = 0
    port = feed.bind_to_random_port("tcp://127.0.0.1")
    reader = gateway.context.socket(zmq.SUB)
    reader.linger = 0
    reader.connect(f"tcp://127.0.0.1:{port}")
    reader.subscribe(b"")
    feed.recv()
    before = signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 50e-6, 50e-6)
    try:
        for _ in range(10_000):
            zeromq.publish(feed.underlying, [(b"topic", b"payload")] * 20)
            gateway.router.readable()
            gateway.router.drain(1)
            with suppress(zmq.Again):
                reader.recv_multipart(zmq.NOBLOCK)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gateway.context.destroy()
