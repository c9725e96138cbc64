"""Links between replicas: plain TCP, so that a closed connection is seen at once; TLS where addresses are not loopback.

One connection for each two members, which the one with the higher id dials. Frames and the hello are in wire.py. What
cannot be sent at once waits in the socket's buffer; beyond a bound the link is closed, and begins again from what the
follower acknowledged.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Protocol, cast

from replication.acquaintances import Acquaintances
from replication.files import LogError
from replication.impossible import Impossible
from replication.listener import Listener
from replication.messages import Message
from replication.wire import (
    HELLO_FRAME,
    INPUTS_FRAME,
    MESSAGE_FRAME,
    OLDEST,
    REFUSED_FRAME,
    VERSION,
    Frames,
    Garbled,
    Hello,
    decode_hello,
    decode_message,
    encode_hello,
    encode_message,
    frame,
)

WAITING_BYTES = 64 << 20  # for one peer that does not read
RETRY_SECONDS = 0.05
REFUSED_SECONDS = 1  # between attempts where a member answers, and no link comes of it
HELLO_SECONDS = 5
HELLO_BYTES = 64 << 10  # before a link is ready no more is taken
UNSETTLED = 64  # accepted connections without a hello: for one more the oldest is closed
TOLD = 64  # troubles that are remembered ...
TOLD_SECONDS = 10  # ... for so long, unless they are met again: whoever goes on trying does so more often
SHOWN = 500  # characters of what the other side says that people are told
DIAL_SECONDS = 2
DEAD_MS = 2_000  # what was sent and is not acknowledged by the other machine for so long ends a link ...
PROBE_SECONDS = (
    1  # ... and on a link that is idle for so long something is sent, such as one between two followers
)
BACKLOG = 64
KEYS = "all members use TLS or none does, with certificates of one authority"


class Receiver(Protocol):
    """Whom the links serve. Its own failures it tells its owner: what it raises is the fault of the link."""

    def opened(self, peer: int) -> None: ...

    def closed(self, peer: int) -> None: ...

    def message(self, message: Message) -> None:
        """Raises Impossible: the link is closed."""

    def inputs(self, peer: int, payload: bytes) -> None:
        """Raises Garbled: the link is closed."""

    def received(self) -> None:
        """After everything that came at once was handed over."""

    def refusal(self, peer: int, program: int) -> str | None:
        """Why a member with such a program is not taken, for people; None: it is."""

    def trouble(self, peer: int, what: str) -> None:
        """For people; 0 = a stranger."""


class _Link(asyncio.Protocol):
    """One connection, dialled (peer > 0) or accepted."""

    def __init__(self, peers: "Peers", peer: int, host: str = "") -> None:
        self.peer = peer  # 0 until its hello came
        self.program = 0  # as that says
        self.ready = False  # hellos were exchanged
        self.refused = ""  # why, by either side
        self.ended: Exception | None = None  # what ended it, where that is known
        self.settled = asyncio.Event()  # it is ready, or has ended
        self.transport: asyncio.Transport
        self._peers = peers
        self._frames = Frames()
        self._early = 0  # bytes that came before it was ready
        self._dialled = peer
        self._host = host  # who dialled; a socket that was reset does not know any more

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        made = self.transport.get_extra_info("socket")
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MS)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_SECONDS)
        if self._dialled:
            self.transport.write(encode_hello(self._peers.hello(self._dialled)))

    def data_received(self, data: bytes) -> None:
        try:
            for kind, body in self._frames.feed(data):
                self._take(kind, body)
            if not self.ready:
                self._early += len(data)
                if self._early > HELLO_BYTES:
                    raise Garbled(f"{self._early} bytes, and no hello")
        except LogError:  # of this replica's own directory
            raise
        except Exception as error:  # whatever somebody sends costs no more than the link
            why = error if isinstance(error, Garbled | Impossible) else repr(error)
            self._peers.receiver.trouble(self.peer, f"{self.name} speaks nonsense: {why}")
            self.transport.abort()
        self._peers.receiver.received()

    @property
    def name(self) -> str:
        """Of who dialled without the port, which is another one each time."""
        if self._dialled:
            return f"member {self.peer} at {self._peers.members.get(self.peer)}"
        return f"member {self.peer} at {self._host}" if self.peer else f"somebody at {self._host}"

    def _take(self, kind: int, body: bytes) -> None:
        if self.transport.is_closing():
            return
        if self.ready and kind == MESSAGE_FRAME:
            message = decode_message(body)
            if (message.sender, message.to) != (self.peer, self._peers.me):
                raise Garbled(f"a message from member {message.sender} to member {message.to}")
            self._peers.receiver.message(message)
        elif self.ready and kind == INPUTS_FRAME:
            self._peers.receiver.inputs(self.peer, body)
        elif kind == HELLO_FRAME and not self.ready:
            self._peers.greeted(self, decode_hello(body))
        elif kind == REFUSED_FRAME and (self._dialled or self.ready):  # ready here: who dialled judges last
            self.refused = printable(body.decode("utf-8", "replace"))
            self._peers.refused(self, self.refused)
            self.transport.close()
        elif kind in (MESSAGE_FRAME, INPUTS_FRAME, HELLO_FRAME, REFUSED_FRAME):
            raise Garbled("a frame out of turn")
        # frames of kinds that a newer version has are passed over

    def refuse(self, why: str) -> None:
        self.transport.write(frame(REFUSED_FRAME, why.encode()))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = exc
        self.settled.set()
        self._peers.lost(self)


class Peers:
    """All links of one member. `addresses` may change at any time; `update` looks at it.

    hello_of: the hello for a member. tls: (for dialling, for accepting), or None.
    """

    def __init__(
        self,
        me: int,
        receiver: Receiver,
        hello_of: Callable[[int], Hello],
        acquaintances: Acquaintances,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None,
    ) -> None:
        self.me = me
        self.receiver = receiver
        self.hello = hello_of
        self.members: dict[int, str] = {}  # id -> host:port; empty: not known
        self._last_id = 0
        self._newer = self._admits = False
        self._acquaintances = acquaintances
        self._tls = tls
        self._links: dict[int, _Link] = {}
        self._dialling: set[int] = set()
        self._told: dict[int, tuple[str, float]] = {}  # and until when
        self._refusing: dict[int, float] = {}  # until when
        self._loop = asyncio.get_running_loop()
        self._listener = Listener(self._welcome, full, lambda why: self.tell(0, why))
        self._closed = False

    def listen(self, listener: socket.socket) -> None:
        """listener: bound. Accepts from now on."""
        self._listener.start(listener, BACKLOG)

    async def _welcome(self, made: socket.socket, host: str) -> None:
        """From accepting a connection until it is a link, or ends."""
        link = _Link(self, 0, host)
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                transport, _ = await self._loop.connect_accepted_socket(
                    lambda: link, made, ssl=self._tls[1] if self._tls else None
                )
                try:
                    await link.settled.wait()
                finally:
                    if not link.ready:
                        transport.abort()
        except TimeoutError:
            self.tell(0, f"somebody at {host} has said no hello for {HELLO_SECONDS} s")
        except OSError as error:
            why = str(error) or "the connection ended"
            self.tell(0, f"somebody at {host} has shown no certificate of this cluster's authority ({why})")

    def update(self, members: dict[int, str], last_id: int, *, newer: bool, admits: bool) -> None:
        """Goes by these members: dials whom it should, hangs up on who is no member any more.

        last_id: the highest id ever given, as far as is known here. newer: who has a higher id may be a member, too.
        The log here may lack the entries that made it one, and gets them from nobody else when it leads (Ongaro's
        thesis, 4.1). admits: such a one is let in.
        """
        for id in members.keys() - self.members.keys():
            self._forget(id)  # it was of a stranger
        self.members, self._last_id = members, last_id
        self._newer, self._admits = newer, admits
        for id, link in list(self._links.items()):
            if not self._may_be_member(id) and not link.transport.is_closing():
                link.refuse(not_a_member(id, self._last_id))
        for id, address in members.items():
            if id < self.me and address and id not in self._links and id not in self._dialling:
                self._dialling.add(id)
                self._loop.create_task(self._dial(id))

    def _may_be_member(self, id: int) -> bool:
        return id in self.members or (self._newer and id > self._last_id)

    async def _dial(self, id: int) -> None:
        """Until there is a link, or none is wanted. A process that is killed may take a connection before the kernel
        closes it, and one that begins may not answer yet: the first attempts follow each other closely."""
        wait = RETRY_SECONDS
        patience = 4 * wait if self._tls else REFUSED_SECONDS  # no dying process finishes a handshake
        try:
            while not self._closed and id in self.members and id not in self._links:
                link = await self._connected(id)
                if link is not None:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(link.settled.wait(), HELLO_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
                if link is None or (link.ready and not link.refused):
                    continue
                link.transport.abort()
                wait = REFUSED_SECONDS if link.refused else min(2 * wait, REFUSED_SECONDS)
                if wait >= patience and not link.refused:
                    self._say_why_not(id, link)
                await asyncio.sleep(wait)
        finally:
            self._dialling.discard(id)

    async def _connected(self, id: int) -> _Link | None:
        """A connection to a member; None: nobody answers."""
        address = self.members[id]
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                _, link = await self._loop.create_connection(
                    lambda: _Link(self, id),
                    host.strip("[]"),
                    int(port),
                    ssl=self._tls[0] if self._tls else None,
                    server_hostname="" if self._tls else None,
                )
        except ssl.SSLError as error:
            self.tell(id, f"member {id} at {address}: {error}; {KEYS}")
            return None
        except OSError:
            return None
        except ValueError as error:  # of an address that the log took from an older program
            self.tell(id, f"member {id} at {address}: that is no address ({error})")
            return None
        return link

    def _say_why_not(self, id: int, link: _Link) -> None:
        ended = link.ended or "the connection ended"
        why = ended if link.settled.is_set() else f"nothing came for {HELLO_SECONDS} s"
        self.tell(id, f"member {id} at {self.members.get(id)} says no hello ({why}); {KEYS}")

    def tell(self, id: int, what: str, seconds: float | None = None) -> None:
        """What stands between this replica and a member (0 = a stranger), once. seconds: for which it is remembered."""
        before, _ = self._told.pop(id, ("", 0.0))
        self._told[id] = what, self._loop.time() + (TOLD_SECONDS if seconds is None else seconds)
        if what == before:
            return
        if len(self._told) > TOLD:  # a stranger may say that it is anybody
            del self._told[next(iter(self._told))]
        self.receiver.trouble(id, what)

    def refused(self, link: _Link, why: str) -> None:
        """The other side will not have this replica. One with a higher id, which is not dialled from here, may never
        say it again: it hung up on a member that was removed."""
        seconds = inf if link.peer > self.me else TOLD_SECONDS
        self._refusing[link.peer] = self._loop.time() + seconds
        self.tell(link.peer, f"{link.name} refuses this replica: {why}", seconds)

    def _forget(self, id: int) -> None:
        self._told.pop(id, None)
        self._refusing.pop(id, None)

    # ---------------------------------------------------------------- links come and go

    def greeted(self, link: _Link, hello: Hello) -> None:
        """A hello has come: the dialler's first, then ours."""
        why = self._dislike(link, hello)
        if why is not None:
            self.tell(hello.sender, f"{link.name}, as member {hello.sender}, was refused: {why}")
            link.refused = why
            link.refuse(why)
            return
        answer = link.peer == 0
        link.peer, link.program = hello.sender, hello.program
        old = self._links.pop(hello.sender, None)
        if old is not None:
            old.transport.abort()
            self.receiver.closed(hello.sender)
        if answer:
            link.transport.write(encode_hello(self.hello(hello.sender)))
        link.ready = True
        link.settled.set()
        self._links[hello.sender] = link
        if not answer:
            self._forget(hello.sender)
        self.receiver.opened(hello.sender)

    def _dislike(self, link: _Link, hello: Hello) -> str | None:
        own = self.hello(hello.sender)
        if hello.version < OLDEST or hello.oldest > VERSION:
            return f"it speaks versions {hello.oldest} to {hello.version} of the link protocol; this replica {VERSION}"
        if hello.cluster != own.cluster:
            return f"its data is of cluster {hello.cluster.hex()}, and this is cluster {own.cluster.hex()}"
        if hello.to != self.me or (link.peer and hello.sender != link.peer):
            return (
                f"member {hello.sender} looked for member {hello.to} and found member {self.me}: the addresses of the "
                "configuration do not match"
            )
        if hello.sender == self.me:
            return f"two replicas say that they are member {self.me}"
        if hello.sender not in self.members and not (self._admits and self._may_be_member(hello.sender)):
            return not_a_member(hello.sender, self._last_id)
        if hello.run == own.run:
            return "it is this replica itself"
        return self.receiver.refusal(hello.sender, hello.program) or self._acquaintances.judge(hello)

    def lost(self, link: _Link) -> None:
        if link.peer and self._links.get(link.peer) is link:
            del self._links[link.peer]
            if not link.refused:
                self._forget(link.peer)
            self.receiver.closed(link.peer)
            self.receiver.received()
        if not self._closed:
            self.update(self.members, self._last_id, newer=self._newer, admits=self._admits)

    # ---------------------------------------------------------------- sending

    def send(self, message: Message) -> None:
        """To a member without a link it is lost, as on any network."""
        self._write(message.to, encode_message(message))

    def forward(self, to: int, payload: bytes) -> None:
        """Inputs that the leader shall propose."""
        self._write(to, frame(INPUTS_FRAME, payload))

    def _write(self, to: int, data: bytes) -> None:
        link = self._links.get(to)
        if link is None:
            return
        if link.transport.get_write_buffer_size() > WAITING_BYTES:
            self.tell(to, f"member {to} does not read what it is sent: the link is closed and begins again")
            link.transport.abort()
            return
        link.transport.write(data)

    @property
    def linked(self) -> dict[int, int]:
        """The members that there is a link to, and the programs that they said they are."""
        return {id: link.program for id, link in self._links.items()}

    @property
    def troubles(self) -> dict[int, str]:
        """What is wrong with members that there is no link to, for people; 0 = with strangers."""
        return {
            id: what
            for id, (what, until) in self._told.items()
            if id not in self._links and self._lasts(until)
        }

    @property
    def refusing(self) -> set[int]:
        """The members that were asked for a link last, and will not have this replica."""
        return {id for id, until in self._refusing.items() if id not in self._links and self._lasts(until)}

    def _lasts(self, until: float) -> bool:
        return self._loop.time() < until

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        for link in list(self._links.values()):
            with suppress(OSError):
                link.transport.close()


def full(welcomed: int) -> str | None:
    """Why one more connection cannot be accepted, and what comes of it; None: it can."""
    if welcomed < UNSETTLED:
        return None
    return f"{UNSETTLED} accepted connections have said no hello: for each new one the oldest is closed"


def not_a_member(id: int, last_id: int) -> str:
    """last_id: the highest id ever given."""
    if id <= last_id:
        return (
            f"member {id} was removed from this cluster: stop it for good. To have the machine back, add it under a "
            "new id, with an empty directory"
        )
    return f"member {id} is not of this cluster; it has to be added first: quorumbook add {id} HOST:PORT"


def printable(text: str) -> str:
    """What the other side says, for a terminal: one line, not too long, and nothing that a terminal obeys."""
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in shown)
