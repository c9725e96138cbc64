"""The fence below FIX: incarnations, their numbers, connection epochs; two gateways before one exchange."""

from fix_records import EGRESS_HEAD, SESSION_FIELDS, read
from memory_edge import CLOSE, MESSAGE, OPEN, REFUSE, START_NS
from stories import build, time_text

from gateway import fix, inputs
from gateway.exchange import Exchange


def logon(seq: int = 1) -> bytes:
    return wire("A", seq, ("98", "0"), ("108", "30"))


def wire(msg_type: str, seq: int, *fields: tuple[str, str]) -> bytes:
    head = [
        ("35", msg_type),
        ("49", "A"),
        ("56", "QUORUMBOOK"),
        ("34", str(seq)),
        ("52", time_text(START_NS)),
    ]
    return build([*head, *fields])


class Gateways:
    """Several incarnations of one exchange; what comes out as (kind, epoch, incarnation or text)."""

    def __init__(self, count: int) -> None:
        self.exchange = Exchange()
        self.numbers = dict.fromkeys(range(1, count + 1), 0)
        self.entry(inputs.setting(), inputs.instrument("AAPL"), *[inputs.gateway_start()] * count)

    def entry(self, *items: bytes) -> list[tuple[int, int, int, bytes]]:
        """(kind, epoch, incarnation, text or message type) of what one entry brings."""
        self.exchange.apply(b"".join(items), self.exchange.applied_index + 1, 1, START_NS)
        with self.exchange.egress() as view:
            data = bytes(view)
        self.exchange.clear_egress()
        out, at = [], 0
        while at < len(data):
            head, body = read(EGRESS_HEAD, data, at)
            text = bytes([head["msg_type"]])
            if head["kind"] != MESSAGE:
                fields, end = read(SESSION_FIELDS, data, body)
                text = data[end : end + fields["text_length"]]
            out.append((head["kind"], head["epoch"], head["incarnation"], text))
            at += head["size"]
        return out

    def send(self, via: int, message: bytes, *, session: int = 0, epoch: int = 0, connection: int = 1, jump: int = 1,
             ) -> list[tuple[int, int, int, bytes]]:  # fmt: skip
        """One message through a gateway; jump: how far its number goes on (1 is right)."""
        number = self.numbers[via] + jump
        if jump == 1:
            self.numbers[via] = number
        record = bytes(fix.scan_message(message))
        return self.entry(
            inputs.message(
                record, incarnation=via, number=number, connection=connection, session=session, epoch=epoch
            )
        )


def test_another_gateway_takes_over_and_the_old_connection_is_fenced() -> None:
    world = Gateways(2)
    assert [kind for kind, *_ in world.send(1, logon(), epoch=0)] == [OPEN, MESSAGE]
    # through the same gateway: refused
    assert [kind for kind, *_ in world.send(1, logon(2), epoch=1, connection=2)] == [REFUSE]
    # through another one that knew an older epoch: refused; that knew this one: the old connection is closed
    assert [kind for kind, *_ in world.send(2, logon(2), epoch=0)] == [REFUSE]
    out = world.send(2, logon(2), epoch=1)
    assert [(kind, epoch, via) for kind, epoch, via, _ in out] == [
        (CLOSE, 1, 1),
        (OPEN, 2, 2),
        (MESSAGE, 2, 0),
    ]
    # what the old connection still had under way is skipped and counted, and its gateway goes on
    skipped, numbered = world.exchange.skipped_inputs, world.exchange.input_number
    assert world.send(1, wire("1", 3, ("112", "late")), session=1, epoch=1) == []
    assert (world.exchange.skipped_inputs, world.exchange.input_number) == (skipped + 1, numbered)
    assert len(world.send(2, wire("1", 3, ("112", "x")), session=1, epoch=2)) == 1
    other = build([("35", "A"), ("49", "B"), ("56", "QUORUMBOOK"), ("34", "1"), ("52", time_text(START_NS)),
                   ("98", "0"), ("108", "30")])  # fmt: skip
    assert [kind for kind, *_ in world.send(1, other, connection=3)] == [OPEN, MESSAGE]


def test_who_holds_a_session_that_is_taken_over_is_told_in_its_own_epoch() -> None:
    world = Gateways(2)
    world.entry(inputs.activate())
    world.send(1, logon(), epoch=0)
    out = world.send(2, logon(2), epoch=1)
    assert [(kind, epoch, via) for kind, epoch, via, _ in out] == [
        (MESSAGE, 1, 0),
        (CLOSE, 1, 1),
        (OPEN, 2, 2),
        (MESSAGE, 2, 0),
    ]
    assert [text for kind, *_, text in out if kind == MESSAGE] == [b"5", b"A"]


def test_only_the_next_number_of_a_live_incarnation_is_taken() -> None:
    world = Gateways(1)
    world.send(1, logon())
    ping = wire("1", 2, ("112", "x"))
    before = world.exchange.input_number
    assert world.send(1, ping, session=1, epoch=1, jump=2) == []  # a hole
    assert world.send(1, ping, session=1, epoch=1, jump=0) == []  # again
    record = bytes(fix.scan_message(ping))
    for incarnation in (2, 99):  # not given out yet
        stranger = inputs.message(record, incarnation=incarnation, number=1, connection=1, session=1, epoch=1)
        assert world.entry(stranger) == []
    assert (world.exchange.skipped_inputs, world.exchange.input_number) == (4, before)
    assert len(world.send(1, ping, session=1, epoch=1)) == 1
    # lost: its sessions are disconnected, and nothing of it is taken any more
    world.entry(inputs.gateway_lost(1))
    assert not world.exchange.sessions()[0]["connected"]
    assert world.send(1, wire("1", 3, ("112", "x")), session=1, epoch=1) == []


def test_a_disconnect_counts_for_its_own_connection_only() -> None:
    world = Gateways(2)
    world.send(1, logon())
    world.send(2, logon(2), epoch=1, connection=7)
    world.numbers[1] += 1
    old = inputs.disconnect(incarnation=1, number=world.numbers[1], connection=1, session=1, epoch=1)
    world.entry(old)
    assert world.exchange.sessions()[0]["connected"]
    world.numbers[2] += 1  # a gateway that has not seen OPEN yet names the connection only
    world.entry(inputs.disconnect(incarnation=2, number=world.numbers[2], connection=7))
    assert not world.exchange.sessions()[0]["connected"]


def test_a_logon_that_waited_too_long_is_refused() -> None:
    """Its gateway knew epoch 0; meanwhile the client logged on elsewhere and left."""
    world = Gateways(2)
    world.send(1, logon())
    world.numbers[1] += 1
    world.entry(inputs.disconnect(incarnation=1, number=world.numbers[1], connection=1, session=1, epoch=1))
    assert [kind for kind, *_ in world.send(2, logon(2), epoch=0)] == [REFUSE]
    assert [kind for kind, *_ in world.send(2, logon(2), epoch=1)] == [OPEN, MESSAGE]
