"""Connections are accepted while there is room; where there is none, the oldest that is nobody's yet makes it."""

import asyncio
import socket

from test_dialling import dialled, listening
from test_strangers_at_the_links import live, until

from replication.listener import Listener


class Door:
    """Holds on to what it accepts. room: for how many there is."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.inside: list[int] = []  # the ports that they came from
        self.told: list[str] = []
        bound, self.address = listening()
        self.listener = Listener(self._welcome, self._full, self.told.append)
        self.listener.start(bound, 8)

    async def _welcome(self, made: socket.socket, address: str) -> None:
        assert address == "127.0.0.1"
        port = made.getpeername()[1]
        self.inside.append(port)
        try:
            await asyncio.sleep(3600)
        finally:
            self.inside.remove(port)
            made.close()

    def _full(self, welcomed: int) -> str | None:
        return None if welcomed < self.room else f"{welcomed} are here"


def port_of(writer: asyncio.StreamWriter) -> int:
    port: int = writer.get_extra_info("sockname")[1]
    return port


def test_the_oldest_goes_for_one_more() -> None:
    async def story() -> None:
        door = Door(room=2)
        came = [await dialled(door.address) for _ in range(3)]
        await until(came[0][0].at_eof)
        await until(lambda: door.inside == [port_of(writer) for _, writer in came[1:]])
        assert door.told == ["2 are here"]
        door.listener.close()
        await until(lambda: all(reader.at_eof() for reader, _ in came))

    assert live(story) == []


def test_where_nobody_can_go_the_newest_is_closed_and_the_next_may_have_room() -> None:
    async def story() -> None:
        door = Door(room=0)
        turned_away = await dialled(door.address)
        await until(turned_away[0].at_eof)
        assert (door.inside, door.told) == ([], [])
        door.room = 1
        taken = await dialled(door.address)
        await until(lambda: door.inside == [port_of(taken[1])])
        door.listener.close()
        await until(taken[0].at_eof)

    assert live(story) == []
