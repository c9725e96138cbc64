from typing import Protocol

from gateway.delivery import Delivery

class Gate(Protocol):
    def enters(self, address: str) -> str: ...
    def leaves(self, address: str) -> None: ...
    def judge(
        self, number: int, comp_id: bytes, key: str, address: str, sound: bool, logon: bytes
    ) -> str | None: ...

class Entrance(Delivery):
    gate: Gate | None
    accepting: bool
    guarded: bool
    logon_ns: int
    most_strangers: int
    def is_proving(self, number: int) -> bool: ...
    def proved(self, number: int, comp_id: bytes, why: str) -> None: ...
