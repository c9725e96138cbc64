"""Quorumbook: an order-matching engine with one durable, replayable log; FIX over ZeroMQ and TCP.

The public names. `import quorumbook` is all that the documentation uses.

The engine's names (Machine, BUY, SELL, IOC, ReportKind, COMMAND, ...) are numbers of `engine/types.pxd`. The names
of FIX (Side, TimeInForce, ExecType, ...) belong to the client library and are imported when they are first used.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any


def _refuse_another(package: str) -> None:
    """Raise ImportError when Python would import somebody else's package of this name."""
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or [spec.origin or "?"]) if spec else []
    ours = Path(__file__).resolve().parent / package
    if not any(Path(place).resolve() == ours for place in places):
        found = ", ".join(map(str, places)) or "nothing"
        raise ImportError(
            f"Quorumbook needs its own package {package!r}, which lies at {ours}, but Python finds {found}. "
            f"Something else of that name shadows it: rename that, or start Python from another directory, "
            f"or take its directory out of PYTHONPATH."
        )


_refuse_another("engine")

from engine.machine import Machine  # noqa: E402 - after the look at what shadows it
from engine.records import (  # noqa: E402
    COMMAND,
    DEFINITION,
    DEPTH,
    EMPTY_PRICE,
    INT64_MAX,
    PHASE_CHANGE,
    PROTECTION,
    REPORT,
    RULES_VERSION,
    TICK_ROW,
    Algorithm,
    CancelFilter,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    Reason,
    ReportKind,
    SelfMatchMode,
    Shows,
    Trigger,
)
from engine.records import Side as _Side  # noqa: E402
from engine.records import TimeInForce as _TimeInForce  # noqa: E402

BUY, SELL = _Side.BUY, _Side.SELL
DAY, GTC, IOC, FOK = _TimeInForce.DAY, _TimeInForce.GTC, _TimeInForce.IOC, _TimeInForce.FOK
GTD, AT_OPEN, AT_CLOSE = _TimeInForce.GTD, _TimeInForce.AT_OPEN, _TimeInForce.AT_CLOSE
GOOD_FOR_AUCTION = _TimeInForce.GOOD_FOR_AUCTION

if TYPE_CHECKING:
    __version__: str
    from gateway.client import Client, connect
    from gateway.client_async import AsyncClient, connect_async
    from gateway.client_decoder import Report
    from gateway.client_feed import Feed, feed
    from gateway.client_link import ConnectError
    from gateway.client_operations import OperatorAnswer
    from gateway.client_orders import Order, RequestRefused
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
    from gateway.flow import Fill, FlowError, FlowPlayer, FlowRow
    from gateway.flow_files import read_blocks, read_fills, read_flow
    from gateway.generate import FlowGenerator
    from gateway.operation_fields import OperationTag

# Imported on first use: the engine alone needs no ZeroMQ, and works where the server does not (macOS).
_LAZY = {
    "gateway.client": ["Client", "connect"],
    "gateway.client_async": ["AsyncClient", "connect_async"],
    "gateway.client_decoder": ["Report"],
    "gateway.client_feed": ["Feed", "feed"],
    "gateway.client_link": ["ConnectError"],
    "gateway.client_operations": ["OperatorAnswer"],
    "gateway.client_orders": ["Order", "RequestRefused"],
    "gateway.client_session": ["LogonRefused", "SessionError"],
    "gateway.client_types": [
        "ABSENT",
        "MESSAGE",
        "REQUEST",
        "ExecType",
        "MsgType",
        "OrdStatus",
        "OrdType",
        "Side",
        "TimeInForce",
    ],
    "gateway.feed": ["FeedReader", "UnknownTopic"],
    "gateway.flow": ["Fill", "FlowError", "FlowPlayer", "FlowRow"],
    "gateway.flow_files": ["read_blocks", "read_fills", "read_flow"],
    "gateway.generate": ["FlowGenerator"],
    "gateway.operation_fields": ["OperationTag"],
}
_HOME = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "ABSENT",
    "AT_CLOSE",
    "AT_OPEN",
    "BUY",
    "COMMAND",
    "DAY",
    "DEFINITION",
    "DEPTH",
    "EMPTY_PRICE",
    "FOK",
    "GOOD_FOR_AUCTION",
    "GTC",
    "GTD",
    "INT64_MAX",
    "IOC",
    "MESSAGE",
    "PHASE_CHANGE",
    "PROTECTION",
    "REPORT",
    "REQUEST",
    "RULES_VERSION",
    "SELL",
    "TICK_ROW",
    "Algorithm",
    "AsyncClient",
    "CancelFilter",
    "Client",
    "CommandFlag",
    "CommandKind",
    "ConnectError",
    "ExecType",
    "Feed",
    "FeedReader",
    "Fill",
    "FlowError",
    "FlowGenerator",
    "FlowPlayer",
    "FlowRow",
    "LogonRefused",
    "Machine",
    "MsgType",
    "OperationTag",
    "OperatorAnswer",
    "OrdStatus",
    "OrdType",
    "Order",
    "OrderType",
    "PegKind",
    "Phase",
    "Reason",
    "Report",
    "ReportKind",
    "RequestRefused",
    "SelfMatchMode",
    "SessionError",
    "Shows",
    "Side",
    "TimeInForce",
    "Trigger",
    "UnknownTopic",
    "connect",
    "connect_async",
    "feed",
    "read_blocks",
    "read_fills",
    "read_flow",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("quorumbook")
    if name not in _HOME:
        raise AttributeError(f"module 'quorumbook' has no attribute {name!r}")
    _refuse_another("gateway")
    try:
        value = getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(("gateway.", "replication.")):
            raise
        raise ImportError(
            f"quorumbook.{name} needs the compiled module {error.name}, which is not built here: outside Linux "
            "only the engine is. On Linux, build again: make build in a checkout, or pip install ."
        ) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
