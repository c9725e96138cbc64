from collections.abc import Callable
from typing import Protocol

class Outlet: ...

class Recorder(Protocol):
    def record(self, direction: str, connection: str, data: bytes) -> None: ...
    def ended(self, connection: str) -> None: ...

class Table:
    outlet: Outlet
    recorder: Recorder | None
    now_ns: int
    incarnation: int
    gateway_number: int
    comp_id: bytes
    judge: Callable[[bytes], str] | None
    events: list[tuple[str, dict[str, str | int]]]
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    garbled: int
    cut_off: int
    refused: int
    def tell(self, what: str, details: dict[str, str | int]) -> int: ...
