"""How a MySQL client proves its password, in the plugin that it speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mysql_mimic import packets
from mysql_mimic.charset import CharacterSet

from qserv.catalog.metadata import Account
from qserv.czar import login
from qserv.czar.door import Door
from qserv.czar.wire import Wire

T = TypeVar("T")

LOGIN_BYTES = 1 << 16
"""Bytes of a packet that a client may send before it is let in."""


@dataclass(frozen=True, slots=True)
class Prover:
    """Asks one client. All methods raise ``AccessDenied`` for a wrong password and an unknown name alike."""

    wire: Wire
    door: Door

    async def account(self, name: str, plugin: str | None, proof: tuple[bytes, bytes] | None) -> Account:
        """The account, proven by the client's own ``plugin``, or natively where that is another.

        ``proof``: a native scramble that came with the name, and the nonce that it answers.
        """
        return await (self._sha2(name) if plugin == login.SHA2 else self._native(name, proof))

    async def _native(self, name: str, proof: tuple[bytes, bytes] | None) -> Account:
        scramble, nonce = proof or await self._switch(login.NATIVE)
        return await self._in_thread(lambda: login.check_scramble(self.door.metadata, name, scramble, nonce))

    async def _sha2(self, name: str) -> Account:
        scramble, nonce = await self._switch(login.SHA2)
        metadata = self.door.metadata
        account = await self._in_thread(lambda: login.check_sha2_scramble(metadata, name, scramble, nonce))
        if account is not None:
            self.wire.put(login.SHA2_PROVEN)
            return account
        if not self.wire.encrypted:
            raise login.refusal(name, using=True)
        await self.wire.send(login.SHA2_ASK)
        password = (await self.wire.read(LOGIN_BYTES)).removesuffix(b"\0").decode()
        return await self._in_thread(lambda: login.check_password(metadata, name, password))

    async def _switch(self, plugin: str) -> tuple[bytes, bytes]:
        """The client's answer in a plugin, and the new nonce that it was given."""
        nonce = login.new_nonce()
        request = packets.make_auth_switch_request(
            server_charset=CharacterSet.utf8mb4, plugin_name=plugin, plugin_provided_data=nonce + b"\0"
        )
        await self.wire.send(request)
        return await self.wire.read(LOGIN_BYTES), nonce

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.door.pool, work)
