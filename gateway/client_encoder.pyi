import numpy as np
from numpy.typing import NDArray

class Encoder:
    def __init__(self, sender: str, target: str) -> None: ...
    def admin(
        self,
        msg_type: str,
        msg_seq_num: int,
        time_ns: int,
        fields: list[tuple[str, str]],
        orig_time: str | None = None,
    ) -> bytes: ...
    def time_text(self, time_ns: int) -> str: ...
    def again(self, message: bytes, time_ns: int) -> bytes: ...
    def requests(
        self, requests: NDArray[np.void], first: int, time_ns: int, per_frame: int = 256
    ) -> list[tuple[bytes, int]]: ...
