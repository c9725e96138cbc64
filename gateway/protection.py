"""How a client protects its connections: TLS for FIX over TCP, CURVE for everything by ZeroMQ."""

import ssl
from typing import Any, NamedTuple

import zmq
from zmq.utils import z85

Z85_KEY = 40  # characters


class Curve(NamedTuple):
    """Keys as text of 40 characters (Z85): the client's own, and the server's public one."""

    public: str
    secret: str
    server: str

    def protect(self, socket: "zmq.Socket[bytes]") -> None:
        """Before it connects."""
        socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = (
            key.encode() for key in self
        )


class Protection(NamedTuple):
    tls: ssl.SSLContext | None = None
    curve: Curve | None = None

    def context(self) -> ssl.SSLContext:
        """For an endpoint that speaks TLS; unless another is given, one that trusts whom this machine trusts."""
        return self.tls or ssl.create_default_context()


UNPROTECTED = Protection()


def protection(tls: Any, curve: Any) -> Protection:
    """tls: an SSLContext, True (whom this machine trusts), None or False. curve: (public, secret, server), or None.
    TypeError and ValueError say what is allowed."""
    if not isinstance(tls, ssl.SSLContext | bool | None):
        raise TypeError(f"tls is {tls!r}; allowed: an ssl.SSLContext, True, False")
    context = ssl.create_default_context() if tls is True else tls or None
    if curve is None:
        return Protection(context)
    if not isinstance(curve, tuple | list) or len(curve) != 3 or not all(map(is_key, curve)):
        raise ValueError(
            f"curve is not (public key, secret key, the server's public key), each {Z85_KEY} characters of Z85"
        )
    return Protection(context, Curve(*curve))


def is_key(text: Any) -> bool:
    """Whether it is 32 bytes as ZeroMQ writes them."""
    if not isinstance(text, str) or len(text) != Z85_KEY or not text.isascii():
        return False
    try:
        return len(z85.decode(text.encode())) == 32
    except (KeyError, ValueError, OverflowError):
        return False
