"""Requests and replies over a ROUTER: some at a time, and none for a peer that does not read."""

from collections.abc import Callable

import zmq

VISIT_BYTES = 1 << 18
"""So many bytes of replies are made before others are served."""
MOST_UNREAD = 64
"""Replies that wait for one peer: of snapshots some 4 MB. Its further requests get none."""
REQUEST_BYTES = 4_096
"""A larger frame costs its sender the link."""


class Answering:
    """Answers what comes on a ROUTER, at most `most` requests a visit."""

    def __init__(self, router: zmq.Socket[bytes], answer: Callable[[bytes], bytes], most: int) -> None:
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        router.setsockopt(zmq.MAXMSGSIZE, REQUEST_BYTES)
        router.set_hwm(MOST_UNREAD)
        self._router = router
        self._answer = answer
        self._most = most

    def take(self) -> bool:
        """Answers what waits, until the visit's budget is used. True: more may wait."""
        made = 0
        for _ in range(self._most):
            try:
                peer, *envelope, request = self._router.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return False
            try:
                self._router.send(peer, zmq.DONTWAIT | zmq.SNDMORE)  # finds room for all parts, or none
            except zmq.ZMQError:
                continue  # it has gone, or does not read
            reply = self._answer(request)
            self._router.send_multipart([*envelope, reply], zmq.DONTWAIT)
            made += len(reply)
            if made >= VISIT_BYTES:
                break
        return True
