"""The types of quorumbook.py: a module of one file cannot carry a py.typed marker (PEP 561)."""

from typing import Literal

from engine.machine import Machine as Machine
from engine.records import COMMAND as COMMAND
from engine.records import DEFINITION as DEFINITION
from engine.records import DEPTH as DEPTH
from engine.records import EMPTY_PRICE as EMPTY_PRICE
from engine.records import INT64_MAX as INT64_MAX
from engine.records import REPORT as REPORT
from engine.records import RULES_VERSION as RULES_VERSION
from engine.records import CommandFlag as CommandFlag
from engine.records import CommandKind as CommandKind
from engine.records import OrderType as OrderType
from engine.records import Reason as Reason
from engine.records import ReportKind as ReportKind
from engine.records import Side as _Side
from engine.records import TimeInForce as _TimeInForce
from gateway.client import Client as Client
from gateway.client import connect as connect
from gateway.client_async import AsyncClient as AsyncClient
from gateway.client_async import connect_async as connect_async
from gateway.client_decoder import Report as Report
from gateway.client_feed import Feed as Feed
from gateway.client_feed import feed as feed
from gateway.client_link import ConnectError as ConnectError
from gateway.client_orders import Order as Order
from gateway.client_session import LogonRefused as LogonRefused
from gateway.client_session import SessionError as SessionError
from gateway.client_types import ABSENT as ABSENT
from gateway.client_types import MESSAGE as MESSAGE
from gateway.client_types import REQUEST as REQUEST
from gateway.client_types import ExecType as ExecType
from gateway.client_types import MsgType as MsgType
from gateway.client_types import OrdStatus as OrdStatus
from gateway.client_types import OrdType as OrdType
from gateway.client_types import Side as Side
from gateway.client_types import TimeInForce as TimeInForce
from gateway.feed import FeedReader as FeedReader
from gateway.feed import UnknownTopic as UnknownTopic
from gateway.flow import Fill as Fill
from gateway.flow import FlowError as FlowError
from gateway.flow import FlowPlayer as FlowPlayer
from gateway.flow import FlowRow as FlowRow
from gateway.flow_files import read_blocks as read_blocks
from gateway.flow_files import read_fills as read_fills
from gateway.flow_files import read_flow as read_flow
from gateway.generate import FlowGenerator as FlowGenerator

__version__: str

BUY: Literal[_Side.BUY]
SELL: Literal[_Side.SELL]
DAY: Literal[_TimeInForce.DAY]
GTC: Literal[_TimeInForce.GTC]
IOC: Literal[_TimeInForce.IOC]
FOK: Literal[_TimeInForce.FOK]
