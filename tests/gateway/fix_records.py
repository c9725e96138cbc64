"""The records of gateway/records.pxd for tests: Input records read, Egress records made, messages written as
text.
"""

import struct
from typing import Any

INT64_MIN = -(2**63)
SOH = "\x01"

INPUT_HEAD = (
    "<IBBHIIQIIq",
    "size kind verdict reserved incarnation session gateway_number epoch connection received_ns",
)
MESSAGE_HEAD = (
    "<QqqHBBBBBBIi",
    "msg_seq_num sending_time_ns orig_sending_time_ns ref_tag msg_type flags text_length msg_type_length "
    "more route_length body_length stated_tag",
)
SESSION_BODY = (
    "<QQIBBBBI4x",
    "begin_seq_no end_seq_no heartbeat_seconds encrypt_method sender_length target_length "
    "cancel_on_disconnect grace_ms",
)
ORDER_BODY = (
    "<qqQbbBBBBBBBBBBHH8x",
    "price_mantissa quantity_mantissa order_id price_exponent quantity_exponent side ord_type "
    "time_in_force post_only "
    "request_type present cl_ord_id_length orig_cl_ord_id_length account_length symbol_length "
    "unsupported_tag parties_length",
)
EGRESS_HEAD = (
    "<IBBBxIIQqQQIIQ",
    "size kind msg_type flags session epoch msg_seq_num sending_time_ns input_number previous incarnation "
    "connection "
    "reserved_56",
)
SESSION_FIELDS = (
    "<QQQIHBBHBBB11x",
    "begin_seq_no end_seq_no ref_seq_num heartbeat_seconds ref_tag reject_reason ref_msg_type reason_code "
    "text_length "
    "ref_type_length ref_id_length",
)
EXECUTION_FIELDS = (
    "<QQQqqqqqqqqQbbBBBBBBBBHBBBBBBBBBBHBB6xQ",
    "order_id exec_id trade_id transact_time_ns price quantity leaves cumulative last_price last_quantity "
    "average_price affected price_exponent quantity_exponent exec_type ord_status side ord_type "
    "time_in_force "
    "post_only maker_taker fix_reason reason_code response_to mass_response last_fragment status_request "
    "cl_ord_id_length orig_cl_ord_id_length account_length symbol_length text_length request_id_length "
    "parties_length on_behalf_length restatement mass_total",
)
SESSION_TYPES = {ord(c) for c in "24A"}
ORDER_STRINGS = ("cl_ord_id", "orig_cl_ord_id", "account", "symbol", "parties")
ORDER_TYPES = {ord(c) for c in "DFGHq"} | {1}


def read(layout: tuple[str, str], data: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """The named fields at `offset` and the offset behind them."""
    form, names = layout
    values = struct.unpack_from(form, data, offset)
    return dict(zip(names.split(), values, strict=True)), offset + struct.calcsize(form)


def make(layout: tuple[str, str], **values: int) -> bytes:
    """A struct with the given fields, all others zero."""
    form, names = layout
    unknown = set(values) - set(names.split())
    assert not unknown, unknown
    return struct.pack(form, *(values.get(name, 0) for name in names.split()))


def read_input(record: bytes) -> dict[str, Any]:
    """An INPUT_MESSAGE record: every field by name, the strings of the tail by name."""
    fields, offset = read(INPUT_HEAD, record, 0)
    assert fields["size"] == len(record)
    assert len(record) % 8 == 0
    assert fields["kind"] == 3
    message, offset = read(MESSAGE_HEAD, record, offset)
    fields |= message
    strings = {"text": "text_length"}
    if message["msg_type"] in SESSION_TYPES:
        body, offset = read(SESSION_BODY, record, offset)
        fields |= body
        if message["msg_type"] == ord("A"):
            strings |= {"sender": "sender_length", "target": "target_length"}
    elif message["msg_type"] in ORDER_TYPES:
        body, offset = read(ORDER_BODY, record, offset)
        fields |= body
        strings |= {name: f"{name}_length" for name in ORDER_STRINGS}
    strings |= {"msg_type_text": "msg_type_length", "route": "route_length", "body": "body_length"}
    for name, length in strings.items():
        fields[name] = record[offset : offset + fields[length]].decode("latin-1")
        offset += fields[length]
    assert 0 <= len(record) - offset < 8
    assert not any(record[offset:])
    return fields


def make_egress(msg_type: str, body: dict[str, int], strings: dict[str, bytes], **head: int) -> bytes:
    """An EGRESS_MESSAGE record; `strings` in the order of the tail, named without `_length`."""
    executes = msg_type in "89r"
    lengths = {f"{name}_length": len(text) for name, text in strings.items()}
    fields = make(EXECUTION_FIELDS if executes else SESSION_FIELDS, **body, **lengths)
    tail = b"".join(strings.values())
    tail += bytes(-len(tail) % 8)
    head_fields: dict[str, int] = {"kind": 1, "msg_type": ord(msg_type), **head}
    return make(EGRESS_HEAD, size=64 + len(fields) + len(tail), **head_fields) + fields + tail


def make_text(msg_type: str, body: bytes, **head: int) -> bytes:
    """An EGRESS_MESSAGE record of a message whose body is text."""
    fields = struct.pack("<IB3x", len(body), len(msg_type))
    tail = msg_type.encode() + body
    tail += bytes(-len(tail) % 8)
    return make(EGRESS_HEAD, size=64 + len(fields) + len(tail), kind=1, msg_type=255, **head) + fields + tail


def message(text: str, begin: str = "FIX.4.4") -> bytes:
    """A whole message from its fields after BodyLength, with | between them."""
    body = text.replace("|", SOH).encode("latin-1")
    start = f"8={begin}{SOH}9={len(body)}{SOH}".encode("latin-1") + body
    return start + b"10=%03d\x01" % (sum(start) % 256)


def header(msg_type: str, seq: int = 7) -> str:
    """MsgType and the required header."""
    return f"35={msg_type}|49=CLIENT|56=QUORUMBOOK|34={seq}|52=20260102-03:04:05.678|"
