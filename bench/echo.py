"""The floor of a round trip: a process that sends back what it gets, over ZeroMQ or TCP.

python -m bench.echo zmq|tcp   prints its endpoint. A client whose two CompIDs are the same takes its own
Logon for the answer and its own orders for reports: the same client code is timed.
"""

import socket
import sys

import zmq


def echo_zmq() -> None:
    router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    print(f"zmq+tcp://127.0.0.1:{port}", flush=True)
    while True:
        router.send_multipart(router.recv_multipart())


def echo_tcp() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"fix+tcp://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.close()


if __name__ == "__main__":
    {"zmq": echo_zmq, "tcp": echo_tcp}[sys.argv[1]]()
