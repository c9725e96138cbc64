"""A trading desk on QuickFIX: starts and drives `initiator.py`, and keeps what it was told.

Its settings are those of docs/fix.md, with ports and directories of its own.
"""

import json
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from exchange_process import ROOT
from fix_client import PATIENCE_SECONDS, Message, parse
from traders import told_open

WINDOW = 16  # orders in flight
TIME = "20260101-00:00:00.000"
DOCUMENT = ROOT / "docs" / "fix.md"
SIDES = {"buy": "1", "sell": "2"}


def settings(comp_id: str, ports: Sequence[int], directory: Path, **changed: object) -> str:
    """Those of the document. changed: other values, or settings that it does not have."""
    (text,) = re.findall(r"```ini\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    text = re.sub(r"^SocketConnect(Host|Port)\d?=.*\n", "", text, flags=re.M)
    values = {
        "SenderCompID": comp_id,
        "FileStorePath": directory / "store",
        "FileLogPath": directory / "log",
        "DataDictionary": ROOT / "gateway" / "FIX44.xml",
    } | changed
    for number, port in enumerate(ports):
        values |= {
            f"SocketConnect{name}{number or ''}": value
            for name, value in (("Host", "127.0.0.1"), ("Port", port))
        }
    for name, value in values.items():
        line = f"{name}={value}\n"
        text, found = re.subn(rf"^{name}=.*\n", line, text, flags=re.M)
        text += "" if found else line
    return text


class QuickFixDesk:
    """One session of untouched QuickFIX. Ends with the `with` block, however that ends.

    What `traders` asks of a Rover it has, too: it keeps every application message and the names of its orders.
    """

    def __init__(
        self, comp_id: str, ports: Sequence[int], directory: Path, *, password: str = "", **changed: object
    ) -> None:
        self.comp_id = comp_id
        self._password = password
        self.received: list[Message] = []  # application messages, as QuickFIX handed them on
        self.admin: list[Message] = []  # session messages that it took
        self.sent: list[Message] = []  # all that it sent, session messages and repetitions, too
        self.logons = 0
        self.logged_on = False
        self.names: list[str] = []  # of the orders that `trade` made
        self.answers = 0  # orders that were accepted or refused
        self.process: subprocess.Popen[str] | None = None
        self._directory = directory
        self._file = directory / "settings.cfg"
        directory.mkdir(parents=True, exist_ok=True)
        self._file.write_text(settings(comp_id, ports, directory, **changed))
        self._told = threading.Condition()
        self._numbers = ""
        self._looked_at = 0
        self._settled = 0
        self._random = random.Random(comp_id)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.kill()

    def start(self) -> Self:
        self._ended = False
        program = str(Path(__file__).with_name("initiator.py"))
        self.process = subprocess.Popen(
            [sys.executable, program, str(self._file), self.comp_id, self._password],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        return self

    def kill(self) -> None:
        """kill -9. Its numbers and what it sent are in its store."""
        if self.process:
            self.process.kill()
            self._join()

    def stop(self) -> None:
        """A clean end, with a Logout."""
        assert self.process
        assert self.process.stdin
        self.process.stdin.close()
        self._join()
        assert self.process.returncode == 0

    def _join(self) -> None:
        assert self.process
        self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        self.logged_on = False

    # ------------------------------------------------------------ what it tells

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        for line in process.stdout:
            name, text = json.loads(line)
            with self._told:
                self._take(name, text)
                self._told.notify_all()
        with self._told:
            self._ended = True
            self._told.notify_all()

    def _take(self, name: str, text: str) -> None:
        match name:
            case "logon":
                self.logons += 1
                self.logged_on = True
            case "logout":
                self.logged_on = False
            case "numbers":
                self._numbers = text
            case "from app":
                message = parse(text.encode())
                self.received.append(message)
                self.answers += message.get(150) in ("0", "8")
            case "from admin":
                self.admin.append(parse(text.encode()))
            case _:
                self.sent.append(parse(text.encode()))

    def wait(self, true: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """For what it will have told for certain."""
        assert self._came(true, seconds), (
            f"{'it has ended' if self._ended else f'{seconds} seconds have passed'}:\n{self.events()[-4000:]}"
        )

    def _came(self, true: Callable[[], bool], seconds: float) -> bool:
        with self._told:
            self._told.wait_for(lambda: true() or self._ended, seconds)
            return true()

    def wait_for_logon(self, logons: int = 0) -> None:
        """Until it is logged on, after as many Logons in all."""
        self.wait(lambda: self.logged_on and self.logons >= logons)

    def next(self) -> Message:
        """The next application message."""
        self.wait(lambda: len(self.received) > self._looked_at)
        self._looked_at += 1
        return self.received[self._looked_at - 1]

    def events(self) -> str:
        """What QuickFIX says that it did."""
        return "".join(file.read_text() for file in (self._directory / "log").glob("*.event.current.log"))

    def port(self) -> int:
        """Where it connected last."""
        return int(re.findall(r"Connecting to \S+ on port (\d+)", self.events())[-1])

    def objections(self) -> list[Message]:
        """What it had against messages that it got."""
        return [message for message in self.sent if message[35] in "3j"]

    def stored(self) -> tuple[int, int]:
        """What it sends next and what it expects next, by its store."""
        sender, target = self._stored().read_text().split(":")
        return int(sender), int(target)

    def store(self, sender: int, target: int) -> None:
        """Other numbers, while it does not run."""
        self._stored().write_text(f"{sender:010} : {target:010}")

    def _stored(self) -> Path:
        (file,) = (self._directory / "store").glob("*.seqnums")
        return file

    # ------------------------------------------------------------ what it is told to do

    def _command(self, name: str, argument: object = None) -> None:
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(json.dumps([name, argument]) + "\n")
        self.process.stdin.flush()

    def send(self, msg_type: str, *fields: tuple[int, object]) -> None:
        """Connected or not: what cannot leave now it sends when it is asked for it, after its next Logon."""
        told = ((tag, value if isinstance(value, list) else str(value)) for tag, value in fields)
        self._command("send", [(35, msg_type), *told])

    def log_out(self) -> None:
        """And stays so."""
        self._command("logout")
        self.wait(lambda: not self.logged_on)

    def be_strange(self) -> None:
        """What it sends next gets a Reject and a Logout."""
        self._command("strange")

    def log_on(self) -> None:
        logons = self.logons
        self._command("logon")
        self.wait_for_logon(logons + 1)

    def numbers(self) -> tuple[int, int]:
        """What it sends next, what it expects next."""
        self._numbers = ""
        self._command("numbers")
        self.wait(lambda: bool(self._numbers))
        sender, target = self._numbers.split()
        return int(sender), int(target)

    def set_sender(self, number: int) -> None:
        """What it sends next."""
        self._command("set sender", number)

    def set_target(self, number: int) -> None:
        """What it expects next."""
        self._command("set target", number)

    def order(self, name: str, side: str, quantity: object, price: object, *more: tuple[int, object]) -> None:
        """A limit order, of AAPL and good till cancel unless `more` says something else."""
        terms = {
            11: name,
            21: 1,
            55: "AAPL",
            54: SIDES[side],
            60: TIME,
            38: quantity,
            40: 2,
            44: price,
            59: 1,
        }
        self.send("D", *(terms | dict(more)).items())

    def cancel(self, name: str, original: str, side: str) -> None:
        self.send("F", (41, original), (11, name), (55, "AAPL"), (54, SIDES[side]), (60, TIME))

    # ------------------------------------------------------------ as a Rover

    def trade(self, stopped: Callable[[], bool]) -> None:
        """Keeps a window of orders in flight, on both sides of one price, connected or not."""
        while not stopped():
            if len(self.names) - self.answers >= WINDOW:
                time.sleep(0.002)
                continue
            self.names.append(f"{self.comp_id}-{len(self.names) + 1}")
            side = self._random.choice(list(SIDES))
            price = f"{100 + self._random.randint(-3, 3) / 100:.2f}"
            self.order(self.names[-1], side, self._random.randint(1, 9), price)

    def finish(self) -> None:
        """Takes everything up to now."""
        self.wait_for_logon()
        self.wait(lambda: self.answers >= len(self.names))
        while not self._settle():
            pass
        self._looked_at = len(self.received)

    def _settle(self) -> bool:
        """Asks for a Heartbeat. Neither that nor the request is sent again in a gap: then there is none."""
        self._settled += 1
        wanted = f"settle {self._settled}"
        assert not self._ended, self.events()
        self.send("1", (112, wanted))
        return self._came(lambda: any(message.get(112) == wanted for message in reversed(self.admin)), 1)

    def accepted(self) -> list[Message]:
        return [message for message in self.received if message.get(150) in ("0", "8")]

    def told_open(self) -> dict[str, int]:
        return told_open(self.received)

    def asked_open(self) -> dict[str, int]:
        """By its replica: what is left of its orders."""
        self.send("AF", (584, "all"), (585, 7))
        left = {}
        while True:
            answer = self.next()
            if answer[39] != "8":  # there is one
                left[answer[11]] = int(answer[151])
            if answer.get(912) == "Y":
                return left
