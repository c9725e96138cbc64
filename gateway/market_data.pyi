import numpy as np
import numpy.typing as npt

from engine.machine import Machine
from gateway.feed_topics import FeedTopics

class MarketData(FeedTopics):
    def perform(
        self,
        machine: Machine,
        commands: npt.NDArray[np.void],
        input_number: int,
        time_ns: int,
        commands_an_input: int = 1,
        steps: int = ...,
    ) -> None: ...
