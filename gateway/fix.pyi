"""FIX messages <-> records. The C functions are in fix.pxd; these wrappers are for tests and tools."""

Buffer = bytes | bytearray | memoryview

def frame_message(data: Buffer) -> tuple[int, int]:
    """(0 whole message, 1 incomplete, 2 garbled; bytes of the message, 0, or bytes to drop)."""

def scan_message(message: Buffer, own: str = "", peer: str = "") -> bytes:
    """The Input record of one framed message (gateway/records.pxd); empty when it is not a framed message.

    own, peer: CompIDs to check TargetCompID and SenderCompID against; empty = not checked.
    """

def encode_record(record: Buffer, own: str, peer: str, resend_time_ns: int | None = None) -> bytes:
    """The FIX message of one Egress record; ValueError when it is not a message record or contradicts its size."""

def gap_fill(own: str, peer: str, seq: int, new_seq: int, time_ns: int) -> bytes:
    """SequenceReset-GapFill that stands for the messages seq .. new_seq - 1."""
