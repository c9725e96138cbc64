"""The floor of a round trip: a process that sends back what it gets, over ZeroMQ or TCP, and one that syncs.

python -m bench.echo zmq|tcp [FILE]   prints its endpoint. With FILE, what came is made durable there before it goes
back. A client whose two CompIDs are the same takes its own Logon for the answer and its own orders for reports: the
same client code is timed.

python -m bench.echo disk FILE   makes 128 bytes durable for each line that it reads; prints how long it took, in ns.
"""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import zmq

from bench.disk import Disk


def echo_zmq(sync: Callable[[], object]) -> None:
    router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    print(f"zmq+tcp://127.0.0.1:{port}", flush=True)
    while True:
        parts = router.recv_multipart()
        sync()
        router.send_multipart(parts)


def echo_tcp(sync: Callable[[], object]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"fix+tcp://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            sync()
            connection.sendall(data)
        connection.close()


def time_syncs(disk: Disk) -> None:
    for _ in sys.stdin:
        print(*disk.times(1), flush=True)


if __name__ == "__main__":
    on = Disk(Path(sys.argv[2])) if len(sys.argv) > 2 else None
    if sys.argv[1] == "disk":
        assert on is not None
        time_syncs(on)
    else:
        {"zmq": echo_zmq, "tcp": echo_tcp}[sys.argv[1]](on.sync if on else lambda: None)
