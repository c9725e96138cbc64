"""The client's session without sockets: whatever gets lost, a report comes once and a request counts once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.client_session import ClientSession, LoggedOut, LogonRefused, SessionError, State
from tests.client.acceptor import Exchange, message, split
from tests.client.test_client import rows

SECOND = 1_000_000_000


class World:
    """A client and an exchange joined by two pipes that a test drains, loses and cuts."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.client = ClientSession("T", heartbeat_seconds=10)
        self.now = 1_795_000_000 * SECOND
        self.to_client = b""
        self.to_exchange: list[bytes] = []
        self.rest = b""
        self.name = [""]
        self.connected = False
        self.received: list[int] = []
        self.sent = 0

    def connect(self) -> None:
        self.cut()
        self.client.logon(self.now)
        self.connected = True

    def cut(self) -> None:
        """Everything under way is lost."""
        self.client.disconnected()
        self.exchange.accounts["T"].connected = False
        self.to_client, self.to_exchange, self.rest = b"", [], b""
        self.connected = False

    def step(self, *, lose: bool = False) -> None:
        """Let the exchange take one message of the client."""
        self.to_exchange += self.client.take_outgoing()
        while self.to_exchange and self.connected:
            messages, self.rest = split(self.rest + self.to_exchange.pop(0))
            if lose:
                continue
            for fields in messages:
                answers, stay = self.exchange.handle(fields, self.name)
                self.to_client += b"".join(answers)
                if not stay:
                    self.connected = False

    def deliver(self, size: int) -> None:
        """Let the client read up to `size` bytes."""
        data, self.to_client = self.to_client[:size], self.to_client[size:]
        self.client.receive(data, self.now)
        for batch, start, stop in self.client.take_reports():
            self.received += [batch.report(i).msg_seq_num for i in range(start, stop)]

    def order(self, count: int) -> None:
        self.sent += count
        self.client.send(rows(count), self.now, per_frame=3)

    def operate(self) -> None:
        self.sent += 1
        self.client.send_fields("UQ", [("20020", str(self.sent)), ("20021", "KILL")], self.now)

    def settle(self) -> None:
        for _ in range(20):
            self.now += SECOND // 10
            self.client.tick(self.now)
            self.step()
            self.deliver(1 << 20)


def reports_of(world: World) -> list[int]:
    sent = world.exchange.accounts["T"].sent
    return [number for number, fields in sent.items() if dict(fields)[35] in ("8", "UR")]


STEPS = st.one_of(
    st.tuples(st.just("order"), st.integers(1, 8)),
    st.tuples(st.just("operate"), st.none()),
    st.tuples(st.just("step"), st.booleans()),
    st.tuples(st.just("deliver"), st.integers(1, 3000)),
    st.tuples(st.just("reports get lost"), st.sets(st.integers(0, 9), max_size=5)),
    st.tuples(st.just("time"), st.integers(1, 30)),
    st.tuples(st.just("reconnect"), st.none()),
)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=40))
def test_nothing_is_lost_or_repeated(steps: list[tuple[str, object]]) -> None:
    world = World()
    world.connect()
    world.settle()
    for what, value in steps:
        if what == "order":
            assert isinstance(value, int)
            world.order(value)
        elif what == "operate":
            world.operate()
        elif what == "step":
            world.step(lose=bool(value))
        elif what == "deliver":
            assert isinstance(value, int)
            world.deliver(value)
        elif what == "reports get lost":
            assert isinstance(value, set)
            world.exchange.lose = lambda number, digits=value: number % 10 in digits  # type: ignore[misc]
        elif what == "time":
            assert isinstance(value, int)
            world.now += value * SECOND
            world.client.tick(world.now)
        else:
            world.connect()
        assert world.client.failure is None, world.client.failure
    world.exchange.lose = lambda number: False
    world.connect()
    world.settle()
    assert world.client.state is State.ACTIVE
    assert world.received == reports_of(world)
    assert len(world.exchange.accounts["T"].taken) == world.sent


def test_live_reports_between_resent_ones_keep_their_place() -> None:
    world = World()
    world.connect()
    world.settle()
    world.exchange.lose = lambda number: number < 7
    world.order(9)
    world.step()
    world.deliver(1 << 20)  # a gap: 2 .. 6; what came is held
    assert world.received == []
    world.exchange.lose = lambda number: False
    world.order(2)
    world.settle()
    assert world.received == reports_of(world)


def test_numbers_used_by_another_process_are_gap_filled() -> None:
    world = World()
    world.client.next_out = 40
    world.connect()
    world.settle()
    world.order(3)
    world.settle()
    assert [int(request[34]) for request in world.exchange.accounts["T"].taken] == [41, 42, 43]


def test_a_refused_logon_names_the_number_and_takes_none() -> None:
    world = World()
    world.exchange.accounts["T"].next_in = 57
    world.connect()
    world.step()
    world.deliver(1 << 20)
    failure = world.client.failure
    assert isinstance(failure, LogonRefused)
    assert (failure.expected, world.client.next_out, world.client.state) == (57, 1, State.CLOSED)


def heard(world: World, kind: str, *more: tuple[int, str]) -> list[str]:
    """The next message of the exchange comes: the types of what the client answers."""
    assert world.client.next_in is not None
    head = [(35, kind), (49, "QUORUMBOOK"), (56, "T"), (34, str(world.client.next_in))]
    world.client.receive(message([*head, (52, "20261123-07:00:00.000"), *more]), world.now)
    return sent(world)


def sent(world: World) -> list[str]:
    return [fields[35] for data in world.client.take_outgoing() for fields in split(data)[0]]


def test_a_logout_of_the_exchange_is_answered_and_the_end_of_the_connection_is_for_it() -> None:
    world = World()
    world.connect()
    world.settle()
    number = world.client.next_in
    assert heard(world, "5", (58, "good night")) == ["5"]
    assert (world.client.next_in, world.client.state) == ((number or 0) + 1, State.LOGOUT)
    assert isinstance(world.client.failure, LoggedOut)
    assert "good night" in str(world.client.failure)
    world.order(1)
    assert sent(world) == []  # it waits for the next Logon
    assert heard(world, "1", (112, "x")) == []
    assert heard(world, "2", (7, "1"), (16, "0")) == ["4", "D"]  # or when it is asked for


def test_who_is_not_left_after_a_logout_leaves() -> None:
    for begins in (lambda world: heard(world, "5"), lambda world: world.client.logout(world.now)):
        world = World()
        world.connect()
        world.settle()
        begins(world)
        assert world.client.deadline_ns() == world.now + 2 * SECOND
        world.client.tick(world.now + 2 * SECOND - 1)
        assert world.client.state is State.LOGOUT
        world.client.tick(world.now + 2 * SECOND)
        assert world.client.state is State.CLOSED


@pytest.mark.parametrize("present", [True, False])
def test_the_session_begins_anew_with_the_exchange(present: bool) -> None:
    """Told by a Logout or, when it comes back, by a refused Logon. What had left is not sent again, what had not is."""
    world = World()
    world.connect()
    world.settle()
    world.order(3)
    world.settle()
    if not present:
        world.cut()
        world.order(2)
    world.to_client += b"".join(world.exchange.begin_anew("T"))
    if not present:
        world.connect()
        world.step()
    world.deliver(1 << 20)
    assert world.client.resets == 1
    if present:
        assert isinstance(world.client.failure, LoggedOut)
        world.order(2)
    else:
        assert isinstance(world.client.failure, LogonRefused)
        assert world.client.failure.begins_anew
    world.connect()
    world.settle()
    world.order(1)
    world.settle()
    account = world.exchange.accounts["T"]
    assert [int(one[34]) for one in account.taken[3:]] == [2, 3, 4]
    assert not any(one.get(43) for one in account.taken)
    assert world.client.state is State.ACTIVE
    assert world.received[3:] == reports_of(world)


def test_silence_is_tested_and_then_believed() -> None:
    world = World()
    world.connect()
    world.settle()
    world.exchange.mute = True
    start = world.now
    while not world.client.silent:
        world.now += SECOND
        world.client.tick(world.now)
    assert 20 <= (world.now - start) // SECOND <= 30
    kinds = [fields[35] for data in world.client.take_outgoing() for fields in split(data)[0]]
    assert (kinds.count("1"), kinds.count("0")) == (1, 2)


def test_a_reset_starts_both_numbers_again() -> None:
    world = World()
    world.connect()
    world.settle()
    world.order(3)
    world.settle()
    world.cut()
    world.client.logon(world.now, reset=True)
    world.connected = True
    world.settle()
    assert (world.client.next_out, world.client.next_in) == (2, 2)


def test_a_number_that_goes_back_without_possdup_ends_the_session() -> None:
    world = World()
    world.connect()
    world.settle()
    head = [(35, "8"), (49, "QUORUMBOOK"), (56, "T"), (34, "1"), (52, "20261123-07:00:00.000")]
    world.client.receive(message([*head, (11, "x")]), world.now)
    assert isinstance(world.client.failure, SessionError)
    assert "expecting 2 but received 1" in str(world.client.failure)


def test_garbled_bytes_and_strangers_are_not_taken_for_reports() -> None:
    world = World()
    world.connect()
    world.settle()
    head = [(35, "8"), (49, "QUORUMBOOK"), (56, "T"), (34, "2"), (52, "20261123-07:00:00.000")]
    good = message([*head, (11, "x")])
    world.client.receive(b"noise" + good[:-3] + b"9\x01" + good, world.now)
    assert [reports.stop - reports.start for reports in world.client.take_reports()] == [1]
    assert world.client.decoder.garbled > 0
    world.client.receive(message([(35, "8"), (49, "OTHER"), *head[2:3], (34, "3"), head[4]]), world.now)
    assert "not for 'T'" in str(world.client.failure)
