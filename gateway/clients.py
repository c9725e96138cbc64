"""Who may log on: the clients that the configuration names, and what each of them has to show."""

import re
from collections.abc import Sequence

from gateway.config import Client

PASSWORD = re.compile(rb"\x01554=([^\x01]+)\x01")
USERNAME = re.compile(rb"\x01553=([^\x01]+)\x01")
SECRETS = re.compile(rb"(?<=\x01)(554|925)=[^\x01]*")


class Clients:
    """By CompID. Empty: anybody may log on."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._by_comp_id = {
            comp_id.encode(): client for client in clients for comp_id in client.all_comp_ids()
        }
        self.keys = frozenset(client.curve_public_key for client in clients if client.curve_public_key)
        self.own_tags = {
            comp_id: client.own_tags
            for comp_id, client in self._by_comp_id.items()
            if client.own_tags is not None
        }
        hashes = (client.password_hash for client in clients if client.password_hash)
        self.stand_in = next(hashes, "")
        """A hash that a Logon of nobody is compared with, for the time that takes."""

    def __bool__(self) -> bool:
        return bool(self._by_comp_id)

    def get(self, comp_id: bytes) -> Client | None:
        return self._by_comp_id.get(comp_id)


def user_of(client: Client, comp_id: bytes) -> bytes:
    """The Username (553) that goes with the password."""
    return client.username.encode() or comp_id


def credentials(logon: bytes) -> tuple[bytes, bytes]:
    """Username (553) and Password (554) of a Logon, empty where there is none. They may stand anywhere in it: who knows
    a password has proved that, wherever it was written."""
    username, password = USERNAME.search(logon), PASSWORD.search(logon)
    return username[1] if username else b"", password[1] if password else b""


def masked(messages: bytes) -> bytes:
    """FIX messages for somebody to read: without the passwords. CheckSum and BodyLength stay what they were."""
    return SECRETS.sub(rb"\1=***", messages)
