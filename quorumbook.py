"""Quorumbook: an order-matching engine with fault-tolerant replication.

The public names. `import quorumbook` is all that the documentation uses.
"""

from gateway.client import Client, connect
from gateway.client_async import AsyncClient, connect_async
from gateway.client_codec import Report
from gateway.client_feed import Feed, feed
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
from gateway.feed import FeedReader, UnknownTopic

__all__ = [
    "ABSENT",
    "MESSAGE",
    "REQUEST",
    "AsyncClient",
    "Client",
    "ConnectError",
    "ExecType",
    "Feed",
    "FeedReader",
    "LogonRefused",
    "MsgType",
    "OrdStatus",
    "OrdType",
    "Order",
    "Report",
    "SessionError",
    "Side",
    "TimeInForce",
    "UnknownTopic",
    "connect",
    "connect_async",
    "feed",
]
