"""Quorumbook: an order-matching engine with fault-tolerant replication.

The public names. `import quorumbook` is all that the documentation uses.
"""

from gateway.client import Client, connect
from gateway.client_async import AsyncClient, connect_async
from gateway.client_codec import Report
from gateway.client_link import ConnectError
from gateway.client_orders import Order
from gateway.client_session import LogonRefused, SessionError
from gateway.client_types import (
    ABSENT,
    MESSAGE,
    REQUEST,
    ExecType,
    MsgType,
    OrdStatus,
    OrdType,
    Side,
    TimeInForce,
)

__all__ = [
    "ABSENT",
    "MESSAGE",
    "REQUEST",
    "AsyncClient",
    "Client",
    "ConnectError",
    "ExecType",
    "LogonRefused",
    "MsgType",
    "OrdStatus",
    "OrdType",
    "Order",
    "Report",
    "SessionError",
    "Side",
    "TimeInForce",
    "connect",
    "connect_async",
]
