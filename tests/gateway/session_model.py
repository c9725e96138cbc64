"""The session layer as slow, obvious Python, for rules 2 and a clock that stands still: no deadline comes.

It is told the Inputs of a log, in order, and says what each session sends: the number and MsgType of every message, and
which connections open, close and are refused.
"""

from dataclasses import dataclass, field
from typing import Any

from fix_records import INPUT_HEAD, MESSAGE_HEAD, SESSION_BODY, read

MESSAGE, DISCONNECT, GATEWAY_LOST = 3, 4, 2
SOUND = 255  # the verdict of a message that nothing is wrong with
POSS_DUP, GAP_FILL, RESET, WRONG_COMP_ID, NO_ORIG_TIME, BEGIN_STRING, NO_TIME = 1, 4, 8, 16, 32, 64, 128
HEARTBEAT, TEST_REQUEST, RESEND_REQUEST, REJECT, SEQUENCE_RESET, LOGOUT, LOGON, BUSINESS_REJECT = b"012345Aj"
Place = tuple[int, int]  # incarnation and connection
Told = tuple[Any, ...]


@dataclass
class Session:
    id: int
    comp_id: str
    epoch: int = 0
    place: Place | None = None  # where it is connected
    inbound: int = 1
    outbound: int = 1
    waits_for: int = 0  # the highest number behind an open gap; 0: there is none
    asked_at: int = 0  # the number that made us ask for it
    leaving: bool = False  # it was sent a Logout
    early: dict[int, dict[str, Any]] = field(default_factory=dict)  # messages behind the gap, by number


@dataclass
class Model:
    """What has come of the inputs so far is in `told`."""

    own: str
    most_heartbeat: int = 3600
    sessions: dict[str, Session] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def input(self, record: bytes) -> None:
        head, at = read(INPUT_HEAD, record, 0)
        if head["kind"] == DISCONNECT:
            session = self.session_of(head)
            if session:
                self.leave(session)
        elif head["kind"] == MESSAGE:
            m, at = read(MESSAGE_HEAD, record, at)
            if m["msg_type"] in (LOGON, RESEND_REQUEST, SEQUENCE_RESET):
                body, at = read(SESSION_BODY, record, at)
                m |= body
                if m["msg_type"] == LOGON:
                    at += m["text_length"]
                    m["sender"] = record[at : at + m["sender_length"]].decode()
                    at += m["sender_length"]
                    m["target"] = record[at : at + m["target_length"]].decode()
            self.message(head, m | {"verdict": head["verdict"]})

    def session_of(self, head: dict[str, int]) -> Session | None:
        """Whose connection the input came in on, when it is that session's still."""
        for session in self.sessions.values():
            if head["session"] == session.id:
                return session if session.place and session.epoch == head["epoch"] else None
        return None

    def message(self, head: dict[str, int], m: dict[str, Any]) -> None:
        if head["session"]:
            session = self.session_of(head)
            if session:
                self.received(session, m)
                self.take_early(session)
        elif m["msg_type"] == LOGON:
            self.logon(head, m)

    # ---------------------------------------------------------------- Logon

    def is_wrong(self, m: dict[str, Any]) -> bool:
        return (
            m["verdict"] != SOUND or bool(m["flags"] & BEGIN_STRING) or m["target"] != self.own
            or m["encrypt_method"] != 0 or m["heartbeat_seconds"] > self.most_heartbeat or m["msg_seq_num"] == 0
            or (bool(m["flags"] & RESET) and m["msg_seq_num"] != 1) or bool(m["flags"] & NO_ORIG_TIME)
        )  # fmt: skip

    def logon(self, head: dict[str, int], m: dict[str, Any]) -> None:
        place = head["incarnation"], head["connection"]
        session = self.sessions.get(m.get("sender", ""))
        if self.is_wrong(m) or head["epoch"] != (session.epoch if session else 0):
            return self.told.append(("refuse", *place))
        if session and session.place and session.place[0] == place[0] and not session.leaving:
            return self.told.append(("refuse", *place))
        if session is None:
            session = self.sessions[m["sender"]] = Session(len(self.sessions) + 1, m["sender"])
        if session.place:
            self.end(session)
        session.epoch += 1
        session.place = place
        self.told.append(("open", *place, session.id))
        if m["msg_seq_num"] < session.inbound and not m["flags"] & RESET:
            return self.end(session)
        return self.accept(session, m)

    def accept(self, session: Session, m: dict[str, Any]) -> None:
        session.leaving = False
        if m["flags"] & RESET:
            session.inbound = session.outbound = 1
            session.waits_for = 0
            session.early = {}
        if m["msg_seq_num"] == session.inbound:
            session.inbound += 1
        self.send(session, LOGON)
        if m["msg_seq_num"] > session.inbound:
            self.gap(session, m["msg_seq_num"])

    # ---------------------------------------------------------------- on a connection

    def take_early(self, session: Session) -> None:
        """What came before its turn, as far as that has come now; the rest is asked for."""
        any_came = bool(session.early)
        while m := session.early.pop(session.inbound, None):
            if m["msg_type"] == RESEND_REQUEST and m["verdict"] == SOUND:
                session.inbound += 1  # answered when it came
                if session.inbound > session.waits_for:
                    session.waits_for = 0
            else:
                self.received(session, m)
        session.early = {number: m for number, m in session.early.items() if number > session.inbound}
        if any_came and session.waits_for and session.inbound >= session.asked_at:
            self.gap(session, session.waits_for)

    def received(self, session: Session, m: dict[str, Any]) -> None:
        number, kind, flags = m["msg_seq_num"], m["msg_type"], m["flags"]
        sound = m["verdict"] == SOUND
        resets = kind == SEQUENCE_RESET and not flags & GAP_FILL and sound
        if session.leaving and kind == LOGOUT:
            session.inbound += number == session.inbound
            self.close(session)
        elif flags & BEGIN_STRING:
            session.inbound += number == session.inbound
            self.log_out(session)
        elif number == 0 and not resets:
            self.end(session)
        elif flags & WRONG_COMP_ID:
            session.inbound += number == session.inbound
            if not session.leaving:
                self.reject(session, m)
            self.log_out(session)
        elif kind == LOGON and flags & RESET and not flags & POSS_DUP:
            if self.is_wrong(m):
                session.inbound += number == session.inbound
                self.end(session)
            else:
                self.accept(session, m)
        elif resets:
            self.move(session, m["begin_seq_no"])
        elif number < session.inbound:
            self.below(session, m, sound)
        elif number > session.inbound:
            if sound and kind == LOGOUT:
                self.log_out(session)
                return
            if sound and kind == RESEND_REQUEST:
                self.resend(session, m)
            if kind not in (LOGON, SEQUENCE_RESET):
                session.early.setdefault(number, m)
            self.gap(session, number)
        else:
            session.inbound += 1
            if session.inbound > session.waits_for:
                session.waits_for = 0
            self.in_sequence(session, m, sound)

    def below(self, session: Session, m: dict[str, Any], sound: bool) -> None:
        if m["flags"] & POSS_DUP:
            if not m["flags"] & NO_TIME:
                self.copy_is_wrong(session, m)
        elif m["msg_type"] == RESEND_REQUEST and sound:
            self.resend(session, m)
        else:
            self.end(session)

    def in_sequence(self, session: Session, m: dict[str, Any], sound: bool) -> None:
        kind = m["msg_type"]
        if not sound or m["flags"] & NO_TIME:
            self.reject(session, m)
        elif m["flags"] & POSS_DUP and self.copy_is_wrong(session, m):
            pass
        elif kind == TEST_REQUEST:
            if not session.leaving:
                self.send(session, HEARTBEAT)
        elif kind == RESEND_REQUEST:
            self.resend(session, m)
        elif kind == SEQUENCE_RESET:
            self.move(session, m["begin_seq_no"])
        elif kind == LOGOUT:
            self.log_out(session)
        elif kind == LOGON:
            self.send(session, REJECT)
        elif kind not in (HEARTBEAT, REJECT, BUSINESS_REJECT):
            self.send(session, None)  # an application's answer

    def copy_is_wrong(self, session: Session, m: dict[str, Any]) -> bool:
        if m["msg_type"] == SEQUENCE_RESET:
            return False
        late = m["orig_sending_time_ns"] > m["sending_time_ns"]
        if m["flags"] & NO_ORIG_TIME or late:
            self.reject(session, m)
            if not m["flags"] & NO_ORIG_TIME:
                self.log_out(session)
            return True
        return False

    def move(self, session: Session, number: int) -> None:
        if session.inbound <= number < 2**63:
            session.inbound = number
            if number > session.waits_for:
                session.waits_for = 0
        else:
            self.send(session, REJECT)

    def gap(self, session: Session, number: int) -> None:
        """Asked for once, and again when what was missing has come and what was behind it has not."""
        ask = not session.leaving and (session.waits_for == 0 or session.inbound >= session.asked_at)
        session.waits_for = max(session.waits_for, number)
        if ask:
            session.asked_at = max(number, session.inbound + 1)
            self.send(session, RESEND_REQUEST)

    def resend(self, session: Session, m: dict[str, Any]) -> None:
        begin, end, after = m["begin_seq_no"], m["end_seq_no"], session.outbound
        if begin == after and (end == 0 or end >= begin):
            return
        if begin == 0 or begin >= after or (end != 0 and end < begin):
            self.send(session, REJECT)
        else:
            self.told.append(("resend", session.id, begin, after - 1 if end == 0 else min(end, after - 1)))

    # ---------------------------------------------------------------- what goes out

    def send(self, session: Session, kind: int | None) -> None:
        self.told.append(("message", session.id, session.outbound, kind))
        session.outbound += 1

    def reject(self, session: Session, m: dict[str, Any]) -> None:
        if m["msg_type"] != REJECT:
            self.send(session, REJECT)

    def log_out(self, session: Session) -> None:
        """The other side's Logout, or its end of the connection, is waited for."""
        if session.leaving:
            self.close(session)
        else:
            self.send(session, LOGOUT)
            session.leaving = True

    def end(self, session: Session) -> None:
        if not session.leaving:
            self.send(session, LOGOUT)
        self.close(session)

    def close(self, session: Session) -> None:
        self.told.append(("close", session.id, session.epoch))
        self.leave(session)

    def leave(self, session: Session) -> None:
        session.place = None
        session.leaving = False
        session.waits_for = 0
        session.early = {}
