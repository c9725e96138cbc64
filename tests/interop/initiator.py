"""QuickFIX as it comes, as an initiator, in a process of its own: what ends the library ends no test run.

    python initiator.py SETTINGS SENDER_COMP_ID [PASSWORD]

Commands come in as lines of JSON, `[name, argument, ...]`; every callback of QuickFIX goes out as one, `[name, text]`.
"""

import json
import sys
import threading
from typing import Any

import quickfix

HEADER = {35, 97}  # what a command may set of it; the rest is QuickFIX's own


class Desk(quickfix.Application):
    """Decides nothing; tells everything. `strange`: the next application message bears another's name."""

    def __init__(self, password: str) -> None:
        super().__init__()
        self._password = password
        self._writing = threading.Lock()
        self.strange = False

    def tell(self, name: str, text: str = "") -> None:
        with self._writing:
            print(json.dumps([name, text]), flush=True)

    def onCreate(self, session: quickfix.SessionID) -> None:
        pass

    def onLogon(self, session: quickfix.SessionID) -> None:
        self.tell("logon")

    def onLogout(self, session: quickfix.SessionID) -> None:
        self.tell("logout")

    def toAdmin(self, message: quickfix.Message, session: quickfix.SessionID) -> None:
        if self._password and message.getHeader().getField(35) == "A":
            message.setField(quickfix.Password(self._password))
        self.tell("to admin", message.toString())

    def toApp(self, message: quickfix.Message, session: quickfix.SessionID) -> None:
        if self.strange:
            self.strange = False
            message.getHeader().setField(quickfix.SenderCompID("STRANGER"))
        self.tell("to app", message.toString())

    def fromAdmin(self, message: quickfix.Message, session: quickfix.SessionID) -> None:
        self.tell("from admin", message.toString())

    def fromApp(self, message: quickfix.Message, session: quickfix.SessionID) -> None:
        self.tell("from app", message.toString())


def message_of(fields: list[tuple[int, Any]]) -> quickfix.Message:
    """A value is text, or the instances of a repeating group: a list of lists of fields."""
    message = quickfix.Message()
    for tag, value in fields:
        if isinstance(value, list):
            add_group(message, tag, value)
            continue
        part = message.getHeader() if tag in HEADER else message
        part.setField(quickfix.StringField(tag, value))
    return message


def add_group(message: quickfix.Message, tag: int, instances: list[list[tuple[int, str]]]) -> None:
    for fields in instances:
        group = quickfix.Group(tag, fields[0][0])
        for own, value in fields:
            group.setField(quickfix.StringField(own, str(value)))
        message.addGroup(group)


def obey(desk: Desk, id: quickfix.SessionID, name: str, argument: object) -> None:
    session = quickfix.Session.lookupSession(id)
    match name:
        case "send":
            quickfix.Session.sendToTarget(message_of(argument), id)  # type: ignore[arg-type]
        case "strange":
            desk.strange = True
        case "logon":
            session.logon()
        case "logout":
            session.logout()
        case "set sender":
            session.setNextSenderMsgSeqNum(argument)
        case "set target":
            session.setNextTargetMsgSeqNum(argument)
        case "numbers":
            desk.tell("numbers", f"{session.getExpectedSenderNum()} {session.getExpectedTargetNum()}")
        case _:
            raise ValueError(name)


def main(file: str, comp_id: str, password: str = "") -> None:
    settings = quickfix.SessionSettings(file)
    desk = Desk(password)
    initiator = quickfix.SocketInitiator(
        desk, quickfix.FileStoreFactory(settings), settings, quickfix.FileLogFactory(settings)
    )
    id = quickfix.SessionID("FIX.4.4", comp_id, "QUORUMBOOK")
    initiator.start()
    for line in sys.stdin:
        name, argument = json.loads(line)
        obey(desk, id, name, argument)
    initiator.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
