"""The connections of a gateway, with transports and a store that are plain Python."""

import struct

import pytest
from fix_records import make_text

from gateway.connections import Connections

INPUT = struct.Struct("<IBBHIIQIIq")
EGRESS = struct.Struct("<IBBBBIIQqQQIIQ")
SESSION = struct.Struct("<QQQIHBBHBBB11x")
MESSAGE, RESEND, CLOSE, OPEN, REFUSE = 1, 2, 3, 4, 5
INPUT_MESSAGE, INPUT_DISCONNECT = 3, 4
LOGON, HEARTBEAT, RESEND_REQUEST, REJECT, LOGOUT = b"A0235"
SECOND = 1_000_000_000
T0 = 1_767_225_600 * SECOND
RESET = 8


def fix(msg_type: str, number: int, *fields: str, sender: str = "ALICE", target: str = "QUORUMBOOK") -> bytes:
    body = "|".join(
        [
            f"35={msg_type}",
            f"49={sender}",
            f"56={target}",
            f"34={number}",
            "52=20260101-00:00:00.000",
            *fields,
            "",
        ]
    )
    whole = f"8=FIX.4.4|9={len(body)}|{body}".replace("|", "\x01").encode()
    return whole + f"10={sum(whole) % 256:03}\x01".encode()


LOGON_BYTES = fix("A", 1, "98=0", "108=30")


def heartbeat(number: int) -> bytes:
    return fix("0", number)


def egress(kind: int, msg_type: int = 0, number: int = 0, *, session: int = 7, epoch: int = 1, connection: int = 0,
           begin: int = 0, end: int = 0, from_input: int = 0, text: bytes = b"", flags: int = 0) -> bytes:  # fmt: skip
    fields = (
        SESSION.pack(begin, end, from_input, 30, 0, 255, 0, 0, len(text), 0, 0) + text + bytes(-len(text) % 8)
    )
    head = EGRESS.pack(
        EGRESS.size + len(fields),
        kind,
        msg_type,
        flags,
        0,
        session,
        epoch,
        number,
        T0,
        number,
        0,
        1,
        connection,
        0,
    )
    return head + fields


class Transport:
    """A TCP transport that remembers."""

    def __init__(self) -> None:
        self.written = b""
        self.waiting = 0
        self.paused = False
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.ended != ""

    def write_eof(self) -> None:
        self.ended = "our half"

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def take(self) -> list[dict[int, str]]:
        """The messages written since the last look."""
        messages = []
        for part in self.written.split(b"8=FIX.4.4\x01")[1:]:
            messages.append(
                {int(t): v for t, v in (f.split("=", 1) for f in part.decode().split("\x01")[:-1])}
            )
        self.written = b""
        return messages


class Store:
    """The records of session 7, by number."""

    def __init__(self) -> None:
        self.records: dict[int, bytes] = {}

    def first_from(self, session: int, input_number: int) -> int:
        """Of each message it is its number."""
        return min((n for n in self.records if n >= input_number), default=0)

    def read(self, session: int, begin: int, end: int, limit_bytes: int) -> list[bytes]:
        found, size = [], 0
        for number in sorted(n for n in self.records if begin <= n <= end):
            size += len(self.records[number])
            if size > limit_bytes and found:
                break
            found.append(self.records[number])
        return found


class Gateway:
    def __init__(self) -> None:
        self.store = Store()
        self.connections = Connections(lambda comp_id: (7, 4) if comp_id == b"ALICE" else (0, 0), self.store)
        self.connections.incarnation = 1
        self.connections.now_ns = T0

    def open(self) -> tuple[int, Transport]:
        transport = Transport()
        number = self.connections.open(transport)
        assert number
        return number, transport

    def logged_on(self) -> tuple[int, Transport]:
        number, transport = self.open()
        self.connections.received(number, LOGON_BYTES)
        self.inputs()
        self.dispatch(egress(OPEN, connection=number, epoch=5))
        self.send(1, LOGON)
        transport.take()
        return number, transport

    def dispatch(self, *records: bytes) -> None:
        self.connections.dispatch(b"".join(records))
        self.connections.flush()

    def send(self, number: int, msg_type: int = HEARTBEAT, *, epoch: int = 5, flags: int = 0) -> None:
        """One message of session 7 as the exchange makes it: kept, then dispatched."""
        record = egress(MESSAGE, msg_type, number, epoch=epoch, flags=flags)
        self.store.records[number] = record
        self.dispatch(record)

    def inputs(self) -> list[dict[str, int]]:
        """Head fields of the turn's inputs."""
        payload, at, found = self.connections.take_payload(), 0, []
        names = (
            "size",
            "kind",
            "verdict",
            "reserved",
            "incarnation",
            "session",
            "number",
            "epoch",
            "connection",
            "received",
        )
        while at < len(payload):
            found.append(dict(zip(names, INPUT.unpack_from(payload, at), strict=True)))
            if found[-1]["kind"] == INPUT_MESSAGE:
                found[-1]["msg_seq_num"] = struct.unpack_from("<Q", payload, at + INPUT.size)[0]
            at += found[-1]["size"]
        return found


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_a_logon_asks_at_the_epoch_that_is_known_and_what_follows_it_waits(gateway: Gateway) -> None:
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES + heartbeat(2))
    (logon,) = gateway.inputs()
    assert (logon["session"], logon["epoch"], logon["connection"], logon["number"]) == (0, 4, number, 1)
    assert not gateway.connections.pending
    gateway.dispatch(egress(OPEN, connection=number, epoch=5))
    (after,) = gateway.inputs()
    assert (after["session"], after["epoch"], after["msg_seq_num"], after["number"]) == (7, 5, 2, 2)
    assert transport.ended == ""


def test_a_message_cut_anywhere_is_one_input(gateway: Gateway) -> None:
    number, _ = gateway.logged_on()
    stream = b"".join(heartbeat(n) for n in range(2, 5))
    for at in range(len(stream)):
        gateway.connections.received(number, stream[at : at + 1])
    assert [one["msg_seq_num"] for one in gateway.inputs()] == [2, 3, 4]


def test_nothing_but_a_logon_comes_first(gateway: Gateway) -> None:
    number, transport = gateway.open()
    gateway.connections.received(number, heartbeat(1) + LOGON_BYTES)
    assert gateway.inputs() == []
    assert transport.ended == "aborted"


def test_garbled_bytes_never_enter_the_log(gateway: Gateway) -> None:
    number, transport = gateway.logged_on()
    wrong = bytearray(heartbeat(2))
    wrong[30] ^= 1
    gateway.connections.received(number, b"noise" + bytes(wrong) + heartbeat(2))
    assert [one["msg_seq_num"] for one in gateway.inputs()] == [2]
    assert gateway.connections.garbled >= 2
    assert transport.ended == ""


def test_the_rest_of_a_message_is_waited_for_five_seconds(gateway: Gateway) -> None:
    number, _ = gateway.logged_on()
    long = fix("0", 2, "112=" + "x" * 1_000)
    begun = fix("0", 3, "112=" + "x" * 1_000)[:100]

    def after(seconds: int, data: bytes) -> list[int]:
        gateway.connections.now_ns += seconds * SECOND
        gateway.connections.received(number, data)
        return [one["msg_seq_num"] for one in gateway.inputs()]

    assert after(0, long[:10]) == []
    assert after(5, long[10:50]) == []
    assert after(5, long[50:]) == [2]  # nothing but the rest came: however late, it is a message
    assert after(5, begun) == []
    assert after(5, heartbeat(4)) == []  # may still be in it
    assert after(1, heartbeat(5)) == [4, 5]
    assert after(0, heartbeat(6)[:20]) == []
    assert after(5, heartbeat(6)[20:] + begun) == [6]
    assert after(5, heartbeat(7)) == []  # it began with the last piece


@pytest.mark.parametrize(
    ("all_have", "exceptions", "has"),
    [
        (True, {}, True),
        (True, {b"BOB": False}, True),
        (True, {b"ALICE": False}, False),
        (False, {}, False),
        (False, {b"ALICE": True}, True),
    ],
)
def test_our_own_tags_go_to_who_takes_them(
    gateway: Gateway, all_have: bool, exceptions: dict[bytes, bool], has: bool
) -> None:
    gateway.connections.own_tags, gateway.connections.own_tags_of = all_have, exceptions
    _, transport = gateway.logged_on()
    record = make_text("y", b"320=r\x0120001=7\x01", session=7, epoch=5, msg_seq_num=2)
    gateway.store.records[2] = record
    gateway.dispatch(record)
    gateway.dispatch(egress(RESEND, epoch=5, begin=2, end=2))
    while gateway.connections.pump():
        pass
    live, again = transport.take()
    assert [one[34] for one in (live, again)] == ["2", "2"]
    assert [20001 in one for one in (live, again)] == [has, has]


def test_a_refused_logon_gets_a_logout_that_says_why(gateway: Gateway) -> None:
    number, transport = gateway.open()
    gateway.connections.received(number, fix("A", 1, "98=0", "108=30", sender="NOBODY"))
    gateway.dispatch(egress(REFUSE, connection=number, text=b"no such thing"))
    (logout,) = transport.take()
    assert (logout[35], logout[58]) == ("5", "no such thing")
    assert transport.ended == "our half"


def test_a_refused_logon_of_a_session_that_exists_gets_no_message(gateway: Gateway) -> None:
    """It would stand for one of the session's."""
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    gateway.dispatch(egress(REFUSE, connection=number, text=b"not now"))
    assert transport.take() == []
    assert transport.ended == "our half"


def test_a_logon_that_is_wrong_in_itself_is_refused_before_the_log(gateway: Gateway) -> None:
    judged: list[bytes] = []
    gateway.connections.judge = lambda logon: judged.append(logon) or "it is wrong"  # type: ignore[func-returns-value]
    number, transport = gateway.open()
    gateway.connections.received(number, fix("A", 1, "98=0", "108=30", sender="BOB") + heartbeat(2))
    (logout,) = transport.take()
    assert (logout[35], logout[34], logout[49], logout[56]) == ("5", "1", "QUORUMBOOK", "BOB")
    assert (logout[58], transport.ended) == ("it is wrong", "our half")
    assert not gateway.connections.pending
    assert b"BOB" in judged[0]
    assert gateway.connections.counts()["tcp"] == 0
    gateway.connections.judge = lambda logon: ""
    number, transport = gateway.open()
    gateway.connections.received(number, fix("A", 1, "98=0", "108=30", sender="BOB"))
    assert (len(gateway.inputs()), transport.ended) == (1, "")


def test_a_logon_of_a_session_that_is_connected_here_is_refused_before_the_log(gateway: Gateway) -> None:
    holder, _ = gateway.logged_on()
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    assert (transport.take(), transport.ended) == ([], "our half")
    assert not gateway.connections.pending
    assert gateway.connections.events[-1][1]["why"] == "Logon refused: this SenderCompID is already connected"
    gateway.send(2, LOGOUT)  # it leaves: another one may come
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    gateway.connections.closed(holder)
    assert [one["kind"] for one in gateway.inputs()] == [INPUT_MESSAGE, INPUT_DISCONNECT]


def test_an_answer_bears_the_exchanges_own_name_whatever_the_logon_called_it(gateway: Gateway) -> None:
    gateway.connections.comp_id = b"OURS"
    number, transport = gateway.open()
    gateway.connections.received(number, fix("A", 1, "98=0", "108=30", sender="BOB", target="THEIRS"))
    gateway.dispatch(egress(REFUSE, connection=number, text=b"TargetCompID (56) must be OURS"))
    (logout,) = transport.take()
    assert (logout[49], logout[56]) == ("OURS", "BOB")


def test_a_connection_that_went_before_its_logon_was_answered_is_reported(gateway: Gateway) -> None:
    number, _ = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    gateway.inputs()
    gateway.connections.closed(number)
    assert gateway.inputs() == []
    gateway.dispatch(egress(OPEN, connection=number, epoch=5))
    (gone,) = gateway.inputs()
    assert (gone["kind"], gone["session"], gone["epoch"]) == (INPUT_DISCONNECT, 7, 5)


def test_a_message_leaves_only_on_the_connection_of_its_epoch(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    gateway.send(2, epoch=4)
    assert transport.take() == []
    gateway.send(3, epoch=5)
    assert [m[34] for m in transport.take()] == ["3"]


def test_one_turn_takes_a_quota_of_each_connection_and_reads_no_more_than_an_inbox(gateway: Gateway) -> None:
    flood, flooding = gateway.logged_on()
    chunk = b"".join(heartbeat(n) for n in range(2, 24_002))
    gateway.connections.received(flood, chunk)
    assert flooding.paused
    turns = [len(gateway.inputs())]
    while gateway.connections.pending:
        turns.append(len(gateway.inputs()))
    assert sum(turns) == 24_000
    assert len(turns) > 5
    assert max(turns) * len(heartbeat(2)) < 270_000
    assert not flooding.paused


def test_while_the_log_takes_nothing_nothing_is_taken(gateway: Gateway) -> None:
    number, _ = gateway.logged_on()
    gateway.connections.accepting = False
    gateway.connections.received(number, heartbeat(2))
    assert not gateway.connections.pending
    gateway.connections.accepting = True
    assert [one["msg_seq_num"] for one in gateway.inputs()] == [2]


def test_a_resend_fills_gaps_over_session_messages_and_what_is_not_kept(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    for number in (2, 3, 4, 5, 6, 7):
        gateway.send(number, REJECT if number in (3, 5, 6) else HEARTBEAT)
    del gateway.store.records[6]
    transport.take()
    gateway.dispatch(egress(RESEND, begin=2, end=7, epoch=5))
    gateway.connections.pump()
    sent = [(m[35], m[34], m.get(36), m[43]) for m in transport.take()]
    assert sent == [
        ("4", "2", "3", "Y"),
        ("3", "3", None, "Y"),
        ("4", "4", "5", "Y"),
        ("3", "5", None, "Y"),
        ("4", "6", "8", "Y"),
    ]
    assert gateway.connections.behind == 0


def test_a_resend_from_an_input_number_has_what_the_same_turn_brought(gateway: Gateway) -> None:
    """The store gets a turn's messages when all have been dispatched."""
    _, transport = gateway.logged_on()
    records = {n: egress(MESSAGE, REJECT, n, epoch=4 if n < 5 else 5) for n in range(2, 7)}
    gateway.dispatch(
        records[2],
        records[3],
        records[4],
        records[5],
        egress(RESEND, end=4, from_input=3, epoch=5),
        records[6],
    )
    gateway.store.records |= records
    gateway.connections.pump()
    sent = [(m[34], m.get(43)) for m in transport.take()]
    assert sent == [("5", None), ("3", "Y"), ("4", "Y"), ("6", None)]
    assert gateway.connections.behind == 0


def test_a_resend_from_an_input_number_that_has_not_come_is_none(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    gateway.send(2, REJECT)
    transport.take()
    gateway.dispatch(egress(RESEND, end=2, from_input=3, epoch=5))
    gateway.send(3, REJECT)
    gateway.connections.pump()
    assert [(m[34], m.get(43)) for m in transport.take()] == [("3", None)]
    assert gateway.connections.behind == 0


def test_resends_may_overlap_and_wait(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    for number in range(2, 60):
        gateway.send(number, REJECT)
    transport.take()
    gateway.dispatch(*(egress(RESEND, begin=n, end=n + 2, epoch=5) for n in range(2, 42)))
    while gateway.connections.behind:
        gateway.connections.pump()
    assert [int(m[34]) for m in transport.take()] == [n + i for n in range(2, 42) for i in range(3)]


def test_copies_bear_the_time_when_they_leave_but_never_one_before_the_request(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    for number in range(2, 2_002):
        gateway.send(number, REJECT if number < 2_001 else HEARTBEAT)
    transport.take()
    gateway.connections.now_ns = T0 - 10 * SECOND  # the log's clock is another machine's
    gateway.dispatch(egress(RESEND, begin=2, end=2_001, epoch=5))
    times = []
    while gateway.connections.behind:
        gateway.connections.pump()
        times.append([m[52] for m in transport.take()])
        gateway.connections.now_ns += 60 * SECOND
    assert [{time[9:17] for time in chunk} for chunk in times[:3]] == [
        {"00:00:00"},
        {"00:00:50"},
        {"00:01:50"},
    ]
    assert sum(map(len, times)) == 2_000


def test_who_asks_again_and_again_is_answered_and_not_cut_off(gateway: Gateway) -> None:
    """What waits already is waited for; beyond 64 the last one is made to ask for what the rest want."""
    _, transport = gateway.logged_on()
    for number in range(2, 300):
        gateway.send(number, REJECT)
    transport.take()
    transport.waiting = 1 << 24
    for _ in range(100):
        gateway.dispatch(egress(RESEND, begin=2, end=3, epoch=5))
    for number in range(4, 100):
        gateway.dispatch(egress(RESEND, begin=number, end=number, epoch=5))
    gateway.dispatch(egress(RESEND, begin=250, end=251, epoch=5))
    gateway.dispatch(egress(RESEND, begin=50, end=50, epoch=5))
    transport.waiting = 0
    while gateway.connections.behind:
        gateway.connections.pump()
    sent = [int(m[34]) for m in transport.take()]
    assert sent == [2, 3, 2, 3, *range(4, 66), *range(66, 252)]
    assert transport.ended == ""


def test_live_messages_wait_behind_a_resend_and_come_once(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    for number in range(2, 4000):
        gateway.send(number, REJECT)
    transport.take()
    gateway.dispatch(egress(RESEND, begin=1, end=0, epoch=5))
    gateway.send(4000, REJECT)
    seen: list[dict[int, str]] = []
    while gateway.connections.behind:
        gateway.connections.pump()
        seen += transport.take()
    assert [int(m[34]) for m in seen] == list(range(1, 4001))
    assert [m[34] for m in seen if m.get(43) != "Y"] == ["4000"]
    gateway.send(4001)
    assert [m[34] for m in transport.take()] == ["4001"]


def test_what_waits_behind_a_resend_is_no_part_of_the_next_one(gateway: Gateway) -> None:
    """A message that came as a possible duplicate must not come as a first transmission after it."""
    _, transport = gateway.logged_on()
    for number in (2, 3):
        gateway.send(number, REJECT)
    transport.take()
    gateway.dispatch(egress(RESEND, begin=2, end=3, epoch=5))
    for number in (4, 5):
        gateway.send(number, REJECT)
    gateway.dispatch(egress(RESEND, begin=2, end=5, epoch=5), egress(RESEND, begin=5, end=5, epoch=5))
    while gateway.connections.behind:
        gateway.connections.pump()
    sent = [(m[34], m.get(43)) for m in transport.take()]
    assert sent == [("2", "Y"), ("3", "Y"), ("2", "Y"), ("3", "Y"), ("4", None), ("5", None)]


def test_a_client_that_does_not_read_is_behind_then_cut_off(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    transport.waiting = 2 << 20
    for number in range(2, 6):
        gateway.send(number, REJECT)
    assert transport.take() == []
    assert gateway.connections.behind == 1
    gateway.connections.pump()
    gateway.connections.now_ns += 6 * SECOND
    gateway.connections.pump()
    assert transport.ended == "aborted"
    (gone,) = gateway.inputs()
    assert (gone["kind"], gone["session"]) == (INPUT_DISCONNECT, 7)


def test_a_client_that_reads_again_gets_everything_once_and_in_order(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    transport.waiting = 2 << 20
    for number in range(2, 50):
        gateway.send(number, REJECT)
    transport.waiting = 0
    while gateway.connections.behind:
        gateway.connections.pump()
    gateway.send(50)
    sent = transport.take()
    assert [int(m[34]) for m in sent] == list(range(2, 51))
    assert all(43 not in m for m in sent)


def test_numbers_that_start_again_owe_nothing_of_the_old_ones(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    for number in range(2, 50):
        gateway.send(number, REJECT)
    transport.take()
    gateway.dispatch(egress(RESEND, begin=1, end=0, epoch=5))
    gateway.store.records.clear()
    gateway.send(1, LOGON, flags=RESET)
    gateway.connections.pump()
    assert [(m[35], m[34]) for m in transport.take()] == [("A", "1")]


def test_close_comes_after_what_was_sent(gateway: Gateway) -> None:
    number, transport = gateway.logged_on()
    record = egress(MESSAGE, ord("5"), 2, epoch=5)
    gateway.dispatch(record, egress(CLOSE, epoch=5, connection=number))
    assert [m[35] for m in transport.take()] == ["5"]
    assert transport.ended == "our half"
    gateway.connections.closed(number)
    assert gateway.inputs() == []


def test_who_does_not_end_a_closed_connection_is_not_waited_for(gateway: Gateway) -> None:
    number, transport = gateway.logged_on()
    gateway.dispatch(egress(CLOSE, epoch=5, connection=number))
    gateway.connections.received(number, heartbeat(2))
    gateway.connections.now_ns += 2 * SECOND
    gateway.connections.sweep()
    assert (transport.ended, gateway.inputs()) == ("our half", [])
    gateway.connections.now_ns += 1
    gateway.connections.sweep()
    assert transport.ended == "aborted"


def test_a_connection_found_full_at_its_end_still_gets_why(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    transport.waiting = 1 << 24
    gateway.dispatch(egress(MESSAGE, LOGOUT, 2, epoch=5, text=b"why") + egress(CLOSE, epoch=5))
    assert (transport.take(), transport.ended) == ([], "")
    transport.waiting = 0
    gateway.connections.pump()
    assert ([m[58] for m in transport.take()], transport.ended) == (["why"], "our half")


def test_a_session_that_opens_at_another_gateway_has_no_old_connection_here(gateway: Gateway) -> None:
    """One that has not read all before its end would get the new one's messages under the old numbers."""
    _, transport = gateway.logged_on()
    transport.waiting = 1 << 24
    gateway.send(2)
    gateway.dispatch(egress(CLOSE, epoch=5))
    assert transport.ended == ""
    there = bytearray(egress(OPEN, connection=9, epoch=6))
    there[48:52] = (2).to_bytes(4, "little")  # the incarnation
    gateway.dispatch(bytes(there))
    assert transport.ended == "our half"
    assert gateway.connections.behind == 0


def test_a_connection_that_never_logs_on_is_closed(gateway: Gateway) -> None:
    _, transport = gateway.open()
    gateway.connections.now_ns += 11 * SECOND
    gateway.connections.sweep()
    assert transport.ended == "aborted"


def test_a_connection_whose_logon_waits_while_no_input_is_taken_is_not_closed(gateway: Gateway) -> None:
    gateway.connections.accepting = False
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    gateway.connections.now_ns += 11 * SECOND
    gateway.connections.sweep()
    gateway.connections.accepting = True
    (logon,) = gateway.inputs()
    gateway.connections.sweep()
    assert logon["connection"] == number
    assert transport.ended == ""


def test_after_a_logout_only_what_is_asked_for_is_sent_until_the_client_ends_it(gateway: Gateway) -> None:
    number, transport = gateway.logged_on()
    gateway.send(2, REJECT)
    gateway.send(3, LOGOUT)
    gateway.send(4, REJECT)
    gateway.dispatch(egress(RESEND, begin=1, end=4, epoch=5))
    gateway.connections.pump()
    sent = [(m[35], m[34], m.get(36), m.get(43)) for m in transport.take()]
    assert sent[:2] == [("3", "2", None, None), ("5", "3", None, None)]
    assert sent[2:] == [("4", "1", "2", "Y"), ("3", "2", None, "Y"), ("4", "3", "4", "Y")]
    assert transport.ended == ""
    gateway.connections.closed(number)
    assert [i["kind"] for i in gateway.inputs()] == [INPUT_DISCONNECT]


def test_a_logon_that_begins_anew_is_answered_after_a_logout(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    gateway.send(2, LOGOUT)
    gateway.send(1, LOGON, flags=RESET)
    gateway.send(2, REJECT)
    assert [(m[35], m[34]) for m in transport.take()] == [("5", "2"), ("A", "1"), ("3", "2")]


def test_nothing_follows_a_logout_on_a_connection_that_is_behind(gateway: Gateway) -> None:
    _, transport = gateway.logged_on()
    transport.waiting = 2 << 20
    gateway.send(2, REJECT)
    gateway.send(3, LOGOUT)
    gateway.dispatch(egress(CLOSE, epoch=5))
    gateway.send(4, REJECT)  # its order was filled: the same epoch
    gateway.dispatch(egress(RESEND, begin=1, end=0, epoch=5))
    transport.waiting = 0
    while gateway.connections.behind:
        gateway.connections.pump()
    assert [(m[35], m[34]) for m in transport.take()] == [("3", "2"), ("5", "3")]
    assert transport.ended == "our half"


def test_events_that_repeat_within_a_second_are_one_line_and_a_count(gateway: Gateway) -> None:
    connections = gateway.connections
    connections.sweep()
    for _ in range(1000):
        number, _ = gateway.open()
        connections.received(number, heartbeat(1))
    assert [what for what, _ in connections.events] == ["refused"]
    connections.now_ns += SECOND - 1
    connections.sweep()
    assert len(connections.events) == 1
    connections.now_ns += 1
    connections.sweep()
    assert [details.get("count") for _, details in connections.events] == [None, 999]
    connections.now_ns += SECOND
    connections.sweep()
    assert len(connections.events) == 2
    gateway.logged_on()
    assert connections.events[2][0] == "logged on"


class Gate:
    """Says of every Logon what it was told to."""

    def __init__(self) -> None:
        self.verdict: str | None = ""
        self.asked: list[tuple[int, bytes, bool, bytes]] = []
        self.full = ""
        self.inside = 0
        self.failures = 0

    def enters(self, address: str) -> str:
        self.inside += not self.full
        return self.full

    def leaves(self, address: str) -> None:
        self.inside -= 1

    def failed(self, address: str) -> None:
        self.failures += 1

    def judge(
        self, number: int, comp_id: bytes, key: str, address: str, sound: bool, logon: bytes
    ) -> str | None:
        self.asked.append((number, comp_id, sound, logon))
        return self.verdict


@pytest.fixture
def gate(gateway: Gateway) -> Gate:
    gateway.connections.gate = made = Gate()
    return made


def test_a_logon_waits_for_the_gate_and_what_follows_it_waits_too(gateway: Gateway, gate: Gate) -> None:
    gate.verdict = None
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES + heartbeat(2))
    gateway.connections.received(number, heartbeat(3))
    assert gate.asked == [(number, b"ALICE", True, LOGON_BYTES)]
    assert gateway.inputs() == []
    assert gateway.connections.is_proving(number)
    gateway.connections.proved(number, b"ALICE", "")
    (logon,) = gateway.inputs()
    assert (logon["connection"], logon["number"], logon["epoch"]) == (number, 1, 4)
    gateway.dispatch(egress(OPEN, connection=number, epoch=5))
    assert [one["msg_seq_num"] for one in gateway.inputs()] == [2, 3]
    assert len(gate.asked) == 1
    assert transport.ended == ""


@pytest.mark.parametrize("later", [False, True])
def test_a_logon_that_the_gate_refuses_never_enters_the_log(
    gateway: Gateway, gate: Gate, later: bool
) -> None:
    gate.verdict = None if later else "nobody knows it"
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES + heartbeat(2))
    if later:
        gateway.connections.proved(number, b"ALICE", "nobody knows it")
    assert gateway.inputs() == []
    assert not gateway.connections.pending
    assert (transport.ended, transport.written) == ("aborted", b"")
    assert gateway.connections.counts()["tcp"] == gate.inside == 0
    ((what, details),) = gateway.connections.events
    assert what == "logon refused"
    assert (details["comp_id"], details["why"]) == ("ALICE", "nobody knows it")


def test_a_verdict_on_who_has_left_changes_nothing(gateway: Gateway, gate: Gate) -> None:
    gate.verdict = None
    number, _ = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    gateway.connections.closed(number)
    assert not gateway.connections.is_proving(number)
    gateway.connections.proved(number, b"ALICE", "")
    assert gateway.inputs() == []
    assert gate.inside == 0


def test_what_is_refused_behind_the_gate_counts_there(gateway: Gateway, gate: Gate) -> None:
    number, _ = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    gateway.dispatch(egress(REFUSE, connection=number, text=b"not now"))
    assert gate.failures == 1
    gateway.connections.judge = lambda logon: "it is wrong"
    number, _ = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    assert gate.failures == 2


def test_a_duplicate_does_not(gateway: Gateway, gate: Gate) -> None:
    """Or a client that comes back before its end was seen would bar its address."""
    gateway.logged_on()
    number, _ = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    assert gateway.connections.events[-1][0] == "refused"
    assert gate.failures == 0


def test_a_wrong_logon_is_called_so(gateway: Gateway, gate: Gate) -> None:
    number, _ = gateway.open()
    gateway.connections.received(number, fix("A", 1, "98=0", "108=x"))
    assert gate.asked[0][2] is False


def test_a_connection_that_the_gate_refuses_is_none(gateway: Gateway, gate: Gate) -> None:
    gate.full = "no more from there"
    assert gateway.connections.open(Transport()) == 0
    assert gateway.connections.counts()["tcp"] == gate.inside == 0


def test_who_waits_for_the_gate_too_long_is_closed(gateway: Gateway, gate: Gate) -> None:
    gate.verdict = None
    gateway.connections.logon_ns = 2 * SECOND
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    gateway.connections.now_ns += 2 * SECOND
    gateway.connections.sweep()
    assert transport.ended == ""
    gateway.connections.now_ns += 1
    gateway.connections.sweep()
    assert transport.ended == "aborted"


def test_of_too_many_strangers_the_oldest_goes(gateway: Gateway) -> None:
    gateway.connections.most_strangers = 2
    _, known = gateway.logged_on()
    _, first = gateway.open()
    gateway.connections.now_ns += 1
    _, second = gateway.open()
    _, third = gateway.open()
    assert (known.ended, first.ended, second.ended, third.ended) == ("", "aborted", "", "")


def test_what_a_stranger_may_send_is_bounded(gateway: Gateway) -> None:
    long = fix("A", 1, "98=0", "108=30", f"58={'x' * 9_000}")
    for sent in (long, long[:8_193]):
        number, transport = gateway.open()
        gateway.connections.received(number, sent[:4_000])
        assert transport.ended == ""
        gateway.connections.received(number, sent[4_000:])
        assert transport.ended == "aborted"
    assert gateway.inputs() == []


def test_who_sends_far_more_than_he_may_is_cut_off(gateway: Gateway) -> None:
    number, transport = gateway.logged_on()
    gateway.connections.most_messages = 3
    for at in range(3):
        gateway.connections.received(number, heartbeat(2 + at))
    assert len(gateway.inputs()) == 3
    gateway.connections.now_ns += 10**9
    for at in range(3):
        gateway.connections.received(number, heartbeat(5 + at))
    assert transport.ended == ""
    gateway.connections.received(number, heartbeat(8) + heartbeat(9))
    assert transport.ended
    assert len(gateway.inputs()) == 4  # the end of it is the last


def test_copies_that_were_asked_for_are_not_counted_and_once_each(gateway: Gateway) -> None:
    number, transport = gateway.logged_on()
    gateway.connections.most_messages = 3

    def copies(first: int, last: int) -> None:
        data = (fix("0", n, "43=Y", "122=20260101-00:00:00") for n in range(first, last + 1))
        gateway.connections.received(number, b"".join(data))

    gateway.connections.received(number, heartbeat(12))
    gateway.dispatch(egress(MESSAGE, RESEND_REQUEST, 2, epoch=5, begin=2))
    copies(2, 12)
    gateway.connections.received(number, heartbeat(13))
    assert len(gateway.inputs()) == 13
    copies(12, 12)
    assert transport.ended == ""
    copies(14, 14)
    assert transport.ended


def test_what_is_too_long_is_told_where_something_was_asked_for(gateway: Gateway) -> None:
    number, transport = gateway.logged_on()
    long = fix("B", 2, "58=" + "x" * 65_536)
    gateway.connections.rules = 2
    gateway.connections.received(number, long + heartbeat(3))
    assert [one["msg_seq_num"] for one in gateway.inputs()] == [3]
    gateway.dispatch(egress(MESSAGE, RESEND_REQUEST, 2, epoch=5, begin=2))
    gateway.connections.received(number, long + heartbeat(4))
    told, after = gateway.inputs()
    assert (told["session"], told["epoch"], told["msg_seq_num"], after["msg_seq_num"]) == (7, 5, 0, 4)
    gateway.connections.rules = 1  # the rules that hold know no such input
    gateway.connections.received(number, long + heartbeat(5))
    assert [one["msg_seq_num"] for one in gateway.inputs()] == [5]
    assert transport.ended == ""


def test_a_stranger_who_does_not_begin_with_fix_is_let_go(gateway: Gateway) -> None:
    for sent in (
        b"GET / HTTP/1.1\r\n",
        bytes(9),
        LOGON_BYTES.replace(b"98=0", b"98=1"),
        b"8=FIX.4.4\x0135=A\x01",
    ):
        number, transport = gateway.open()
        gateway.connections.received(number, sent)
        assert transport.ended == "aborted"
    assert gateway.inputs() == []


def test_behind_a_logon_that_is_judged_a_socket_is_soon_not_read(gateway: Gateway, gate: Gate) -> None:
    gate.verdict = None
    number, transport = gateway.open()
    gateway.connections.received(number, LOGON_BYTES)
    for at in range(200):
        gateway.connections.received(number, heartbeat(2 + at))
    assert transport.paused
    gateway.connections.proved(number, b"ALICE", "")
    gateway.inputs()
    assert not transport.paused
    gateway.dispatch(egress(OPEN, connection=number, epoch=5))
    assert len(gateway.inputs()) == 200
