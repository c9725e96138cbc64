from typing import Any, Protocol

from typing_extensions import Buffer

from gateway.connection_table import Table

class Store(Protocol):
    def read(self, session: int, begin: int, end: int, limit_bytes: int) -> list[Any]: ...

class Delivery(Table):
    store: Store
    """That resends come from. Another one: when nobody is connected."""
    def dispatch(self, egress: Buffer) -> None: ...
    def flush(self) -> None: ...
    @property
    def behind(self) -> int: ...
    def pump(self) -> bool: ...
