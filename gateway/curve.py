"""CURVE for the sockets of clients: key files, and ZAP, by which ZeroMQ asks who may connect.

Key files are those of zmq.auth: NAME.key has the public key, NAME.key_secret both.
"""

import os
from collections.abc import Callable, Container
from pathlib import Path
from typing import NamedTuple

import zmq
from zmq import auth
from zmq.utils import z85

from gateway.config import ConfigError

ZAP_ENDPOINT = "inproc://zeromq.zap.01"  # of ZeroMQ's RFC 27
VERSION = b"1.0"
SECRET = ".key_secret"
REQUESTS = 64  # answered before others are looked at
DOMAIN = b"clients"


class KeyPair(NamedTuple):
    """As text (Z85)."""

    public: str
    secret: str

    def serve(self, socket: "zmq.Socket[bytes]") -> None:
        """Before it is bound: only who has a key that `Zap` knows gets a link."""
        socket.curve_secretkey = self.secret.encode()
        socket.curve_server = True
        socket.zap_domain = DOMAIN


def make_keys(directory: Path, name: str) -> tuple[Path, KeyPair]:
    """A new pair, and its secret file, for its owner only. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = directory / f"{name}{SECRET}"
    for path in (secret, secret.with_suffix(".key")):
        if path.exists():
            raise FileExistsError(17, "it is there already: keys are never written over", str(path))
    before = os.umask(0o077)
    try:
        auth.create_certificates(directory, name)
    finally:
        os.umask(before)
    return secret, read_keys(secret)


def read_keys(path: Path) -> KeyPair:
    """Of a secret file, or of the only one in a directory. Raises ConfigError, without the key it is for."""
    files = sorted(path.glob(f"*{SECRET}")) if path.is_dir() else [path]
    if len(files) != 1:
        raise ConfigError(
            f"{path}: it has {len(files)} files *{SECRET}; allowed: such a file, or a directory with one"
        )
    try:
        files[0].read_bytes()  # what zmq.auth raises of one that is not there says nothing
        public, secret = auth.load_certificate(files[0])
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no file of CURVE keys"
        raise ConfigError(f"{files[0]}: {why}; quorumbook keys makes one") from None
    if secret is None:
        raise ConfigError(f"{files[0]}: it has no secret key; allowed: a file *{SECRET} of quorumbook keys")
    return KeyPair(public.decode(), secret.decode())


def server_keys(path: str) -> KeyPair | None:
    """None: the sockets are plain. Raises ConfigError."""
    if not path:
        return None
    try:
        return read_keys(Path(path))
    except ConfigError as error:
        raise ConfigError(f"network.curve_secret_key_file: {error}") from None


class Zap:
    """Answers for one context: a client of these public keys gets a link, whose messages have the key as User-Id. The
    admin socket, which has no CURVE, is not for ZAP to judge: it listens on loopback."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", keys: Container[str]) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.bind(ZAP_ENDPOINT)
        self._keys = keys
        self.refused: Callable[[str], None] = lambda address: None  # who did not get a link

    def take(self) -> bool:
        """Answers some. True: more may wait."""
        for _ in range(REQUESTS):
            try:
                request = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return False
            peer, delimiter, _, number, *details = request
            status, text, user = self._judged(*details)
            self.socket.send_multipart(
                [peer, delimiter, VERSION, number, status, text, user, b""], zmq.DONTWAIT
            )
        return True

    def _judged(
        self, domain: bytes, address: bytes, identity: bytes, mechanism: bytes, *credentials: bytes
    ) -> tuple[bytes, bytes, bytes]:
        if domain != DOMAIN:
            return b"200", b"OK", b""
        if mechanism == b"CURVE" and len(credentials) == 1 and len(credentials[0]) == 32:
            key = z85.encode(credentials[0])
            if key.decode() in self._keys:
                return b"200", b"OK", key
        self.refused(address.decode("ascii", "replace"))
        return b"400", b"no client has this key", b""
