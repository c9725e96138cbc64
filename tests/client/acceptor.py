"""A small scripted exchange for tests of the client: FIX sessions over TCP and ZeroMQ, orders that never trade.

It keeps sessions across connections and restarts of its threads, answers resend requests, and does what
a test tells it to: lose messages, close connections, refuse.
"""

import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import zmq

SOH = b"\x01"
REJECTS = {"REJECT": "3", "BUSINESS": "j"}
"""Symbols whose orders are answered so."""
TERMS = (18, 99, 110, 111, 126, 211, 432, 20012, 20013, 20014)
"""Fields of an order that reports have as they came."""
Fields = dict[int, str]
Pairs = list[tuple[int, str]]
ANEW = "the sequence numbers begin anew: log on with MsgSeqNum (34) 1"


def message(fields: list[tuple[int, str]]) -> bytes:
    body = b"".join(b"%d=%s\x01" % (tag, value.encode()) for tag, value in fields)
    head = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    return head + b"10=%03d\x01" % (sum(head) & 255)


def split(data: bytes) -> tuple[list[dict[int, str]], bytes]:
    """Whole messages as dictionaries, and the rest."""
    found = []
    while True:
        end = data.find(b"\x0110=")
        if end < 0 or len(data) < end + 8:
            return found, data
        whole, data = data[: end + 8], data[end + 8 :]
        fields = [field.split(b"=", 1) for field in whole.split(SOH) if field]
        assert int(fields[-1][1]) == sum(whole[:-7]) & 255, whole
        found.append({int(tag): value.decode() for tag, value in fields})


class Account:
    """One client's session."""

    def __init__(self) -> None:
        self.next_in = 1
        self.next_out = 1
        self.sent: dict[int, list[tuple[int, str]]] = {}
        self.taken: list[dict[int, str]] = []  # requests, in the order they counted
        self.connected = False
        self.orders: dict[str, dict[int, str]] = {}
        self.asked = 0
        self.anew = False  # since its numbers began anew there was no Logon


class Exchange:
    """The protocol, without sockets. `lose` says which outgoing messages get lost on the way."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = defaultdict(Account)
        self.lose: Callable[[int], bool] = lambda number: False
        self.refuse = ""
        self.input_number = 0
        self.mute = False
        self._lock = threading.RLock()

    def handle(self, fields: dict[int, str], name: list[str]) -> tuple[list[bytes], bool]:
        with self._lock:
            if self.mute:
                return [], True
            if fields[35] == "A":
                return self._logon(fields, name)
            account = self.accounts[name[0]]
            number = int(fields[34])
            out: list[bytes] = []
            if number > account.next_in:
                if account.asked != account.next_in:
                    account.asked = account.next_in
                    self._send(name[0], out, "2", [(7, str(account.next_in)), (16, "0")])
                return out, True
            if number < account.next_in:
                assert fields.get(43) == "Y", fields
                return out, True
            account.next_in += 1
            stay = self._act(fields, name[0], account, out)
            return out, stay

    def _act(self, fields: dict[int, str], name: str, account: Account, out: list[bytes]) -> bool:
        kind = fields[35]
        if kind == "5":
            self._send(name, out, "5", [])
            account.connected = False
            return False
        if kind == "1":
            self._send(name, out, "0", [(112, fields[112])])
        elif kind == "4":
            account.next_in = int(fields[36])
        elif kind == "2":
            end = int(fields[16]) or account.next_out - 1
            for number in range(int(fields[7]), end + 1):
                self._again(name, number, out)
        elif kind != "0":
            account.taken.append(fields)
            self.input_number += 1
            self._request(kind, fields, name, account, out)
        return True

    def _request(self, kind: str, f: dict[int, str], name: str, account: Account, out: list[bytes]) -> None:
        at = (20001, str(self.input_number))
        if kind == "UQ":
            status = "1" if f[20021] == "BUST" else "0"
            body = [
                (20020, f[20020]),
                (20021, f[20021]),
                (20024, status),
                (533, "5"),
                (20049, "3"),
                (20050, "1"),
            ]
            self._send(name, out, "UR", [*body, *([(20002, "100"), (58, "no")] if status == "1" else []), at])
        elif kind == "D" and f[55] == "NONE":
            body = [(11, f[11]), (150, "8"), (39, "8"), (55, f[55]), (54, f[54]), (58, "unknown symbol"), at]
            self._send(name, out, "8", body)
        elif kind == "D" and f[55] in REJECTS:
            self._send(name, out, REJECTS[f[55]], [(45, f[34]), (372, kind), (58, "Desk (6001)"), at])
        elif kind == "D" and f[11] in account.orders:
            told = [(103, "6"), (20002, "101"), (58, "ClOrdID (11) was used before"), at]
            self._report(name, out, account.orders[f[11]], f[11], "80", account.orders[f[11]][38], told)
        elif kind == "D":
            account.orders[f[11]] = f
            self._report(name, out, f, f[11], "00", f[38], [at])
            if f.get(59) in ("3", "4") or "G" in f.get(18, ""):
                self._report(name, out, account.orders.pop(f[11]), f[11], "44", "0", [at])
        elif kind in "FG" and f[41] not in account.orders:
            self._send(
                name, out, "9", [(11, f[11]), (41, f[41]), (39, "8"), (434, "1"), (58, "unknown order"), at]
            )
        elif kind == "F":
            order = account.orders.pop(f[41])
            self._report(name, out, order, f[11], "44", "0", [(41, f[41]), at])
        elif kind == "G":
            changed = {tag: f[tag] for tag in (38, 44, 59, *TERMS) if tag in f}
            order = account.orders[f[11]] = account.orders.pop(f[41]) | changed
            self._report(name, out, order, f[11], "50", f[38], [(41, f[41]), at])
        elif kind == "H" and f[11] in account.orders:
            self._report(name, out, account.orders[f[11]], f[11], "I0", account.orders[f[11]][38], [at])
        elif kind == "H":
            body = [(11, f[11]), (150, "I"), (39, "8"), (55, f[55]), (54, f[54]), (58, "unknown order"), at]
            self._send(name, out, "8", body)
        elif kind in ("q", "AF") and name == "WATCHER":
            self._send(
                name, out, "j", [(45, f[34]), (372, kind), (380, "6"), (20002, "121"), (58, "no orders"), at]
            )
        elif kind == "q" and f.get(55) == "NONE":
            told = [(531, "0"), (532, "1"), (533, "0"), (20002, "100"), (58, "unknown symbol"), at]
            self._send(name, out, "r", [(11, f[11]), (530, f[530]), *told])
        elif kind == "q":
            count = len(account.orders)
            account.orders.clear()
            self._send(name, out, "r", [(11, f[11]), (530, f[530]), (531, f[530]), (533, str(count)), at])
        elif kind == "AF":
            for i, (cl_ord_id, order) in enumerate(list(account.orders.items())):
                last = "Y" if i == len(account.orders) - 1 else "N"
                total = str(len(account.orders))
                extra = [(584, f[584]), (911, total), (912, last), at]
                self._report(name, out, order, cl_ord_id, "I0", order[38], extra)
            if not account.orders:
                self._send(name, out, "8", [(584, f[584]), (911, "0"), (912, "Y"), (150, "I"), (39, "8"), at])

    def _report(
        self, name: str, out: list[bytes], f: Fields, cl_ord_id: str, state: str, leaves: str, extra: Pairs
    ) -> None:
        """An execution report; `state` is ExecType and OrdStatus."""
        body = [
            (37, "1"),
            (11, cl_ord_id),
            (17, "x"),
            (150, state[0]),
            (39, state[1]),
            (55, f[55]),
            (54, f[54]),
        ]
        body += [
            (38, f[38]),
            (40, f[40]),
            *((tag, f[tag]) for tag in (44, *TERMS) if tag in f),
            (59, f[59]),
            (151, leaves),
            (14, "0"),
            (6, "0"),
        ]
        self._send(name, out, "8", body + extra)

    def fill(self, name: str, cl_ord_id: str, quantity: int, out: list[bytes] | None = None) -> None:
        """A fill that happens while nobody is connected, or beside what `out` answers."""
        order, out = self.accounts[name].orders[cl_ord_id], [] if out is None else out
        self._report(name, out, order, cl_ord_id, "F1", "0", [(31, "1"), (32, str(quantity)), (880, "1")])

    def begin_anew(self, name: str) -> list[bytes]:
        """The daily reset: the Logout that goes to who is connected."""
        with self._lock:
            account, out = self.accounts[name], list[bytes]()
            if account.connected:
                self._send(name, out, "5", [(58, ANEW)])
            account.next_in, account.next_out, account.sent, account.anew = 1, 1, {}, True
            return out

    def _send(self, name: str, out: list[bytes], kind: str, body: list[tuple[int, str]]) -> None:
        account = self.accounts[name]
        number = account.next_out
        account.next_out += 1
        head = [(35, kind), (49, "QUORUMBOOK"), (56, name), (34, str(number)), (52, "20261123-07:00:00.000")]
        account.sent[number] = head + body
        if not self.lose(number):
            out.append(message(head + body))

    def _again(self, name: str, number: int, out: list[bytes]) -> None:
        fields = self.accounts[name].sent[number]
        if fields[0][1] in "012345A":
            head = [(35, "4"), *fields[1:4], (43, "Y"), (52, "20261123-07:00:01.000")]
            out.append(message([*head, (122, fields[4][1]), (123, "Y"), (36, str(number + 1))]))
        else:
            out.append(message([*fields[:4], (43, "Y"), *fields[4:5], (122, fields[4][1]), *fields[5:]]))

    def _logon(self, fields: dict[int, str], name: list[str]) -> tuple[list[bytes], bool]:
        account = self.accounts[fields[49]]
        number, refuse = int(fields[34]), self.refuse
        if fields.get(141) == "Y":
            self.accounts[fields[49]] = account = Account()
        if not refuse and account.connected:
            refuse = "this SenderCompID is already connected"
        if not refuse and number < account.next_in:
            refuse = f"MsgSeqNum too low, expecting {account.next_in} but received {number}"
        if not refuse and account.anew and number > 1:
            refuse = ANEW
        if refuse:
            head = [(35, "5"), (49, "QUORUMBOOK"), (56, fields[49]), (34, "0"), (52, "20261123-07:00:00.000")]
            return [message([*head, (58, refuse)])], False
        name[0], account.connected, account.asked, account.anew = fields[49], True, 0, False
        out: list[bytes] = []
        answer = [(98, "0"), (108, fields[108])] + ([(141, "Y")] if 141 in fields else [])
        self._send(name[0], out, "A", answer)
        if number > account.next_in:
            account.asked = account.next_in
            self._send(name[0], out, "2", [(7, str(account.next_in)), (16, "0")])
        else:
            account.next_in += 1
        return out, True


class Acceptor(Exchange):
    """An Exchange on both transports, until `close`."""

    def __init__(self) -> None:
        super().__init__()
        self._stop = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self.tcp = f"fix+tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._router = zmq.Context.instance().socket(zmq.ROUTER)
        port = self._router.bind_to_random_port("tcp://127.0.0.1")
        self.zmq = f"zmq+tcp://127.0.0.1:{port}"
        self.ports = (self.tcp.replace("fix+", ""), self.zmq.replace("zmq+", ""))
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._accept, self._route)]
        for thread in self._threads:
            thread.start()

    # ------------------------------------------------------------ transports

    def _accept(self) -> None:
        while not self._stop:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        rest, name = b"", [""]
        while True:
            try:
                data = connection.recv(65536)
                if not data:
                    break
                messages, rest = split(rest + data)
                for fields in messages:
                    answers, stay = self.handle(fields, name)
                    if answers:
                        connection.sendall(b"".join(answers))
                    if not stay:
                        connection.close()
                        break
            except OSError:
                break
        if name[0]:
            self.accounts[name[0]].connected = False

    def _route(self) -> None:
        names: dict[bytes, list[str]] = {}
        while not self._stop:
            if not self._router.poll(50):
                continue
            identity, data = self._router.recv_multipart()
            name = names.setdefault(identity, [""])
            if not data:
                self.accounts[name[0]].connected = False
                continue
            for fields in split(data)[0]:
                answers, stay = self.handle(fields, name)
                if answers:
                    self._router.send_multipart([identity, b"".join(answers)])
                if not stay:
                    self._router.send_multipart([identity, b""])
        self._router.close(0)

    def cut(self) -> None:
        """Close every TCP connection, as a dying server would."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()
        time.sleep(0.05)

    def close(self) -> None:
        self._stop = True
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(2)


class Relay:
    """A port of its own that leads to an acceptor's, until `close` ends it and every connection through it."""

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition("/")[2].rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.endpoint = f"fix+tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += near, far
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def close(self) -> None:
        self._listener.close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
