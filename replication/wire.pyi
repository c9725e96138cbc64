from typing import NamedTuple

from replication.messages import Buffer, Message

VERSION: int
OLDEST: int
MAX_BODY: int
FRAME_BYTES: int
HELLO_FRAME: int
REFUSED_FRAME: int
MESSAGE_FRAME: int
INPUTS_FRAME: int

class Garbled(Exception): ...

class Hello(NamedTuple):
    cluster: bytes
    sender: int
    to: int
    directory: bytes
    starts: int
    run: bytes
    runs: tuple[bytes, ...]
    version: int = ...
    oldest: int = ...

class Frames:
    def __init__(self) -> None: ...
    def feed(self, data: bytes) -> list[tuple[int, bytes]]: ...

def frame(kind: int, body: Buffer) -> bytes: ...
def encode_hello(hello: Hello) -> bytes: ...
def decode_hello(body: bytes) -> Hello: ...
def encode_message(m: Message) -> bytes: ...
def decode_message(body: bytes) -> Message: ...
