from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from engine.machine import Machine

KIND_NAMES: tuple[bytes, bytes, bytes, bytes]

class MarketData:
    chunk_records: int
    def __init__(self) -> None: ...
    def define(
        self,
        instrument: int,
        symbol: bytes,
        price_increment: int,
        price_exponent: int,
        quantity_increment: int,
        quantity_exponent: int,
    ) -> None: ...
    def listen(self, prefix: bytes) -> None: ...
    def ignore(self, prefix: bytes) -> None: ...
    def perform(
        self,
        machine: Machine,
        commands: npt.NDArray[np.void],
        input_number: int,
        time_ns: int,
        commands_an_input: int = 1,
    ) -> None: ...
    def end_entry(self) -> int: ...
    def take(self) -> list[tuple[bytes, bytes]]: ...
    def idle(self) -> Iterator[tuple[bytes, bytes]]: ...
    def sequences(self, symbol: bytes) -> tuple[int, int, int, int]: ...
    def snapshot(self, request: bytes, machine: Machine) -> bytes: ...
