"""One MySQL client: it proves who it is, then its commands are answered one after the other until it leaves.

mysql-mimic gives the packets; the flow is ours. A failed login ends the connection. Statements run in threads, and so
does the encoding of their rows: a piece is made while the one before it goes out, and no more is made until the client
has taken that. When the client goes away, or is killed, its query is stopped at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TypeVar

import pyarrow as pa
from mysql_mimic import packets
from mysql_mimic.charset import CharacterSet
from mysql_mimic.errors import MysqlError
from mysql_mimic.packets import HandshakeResponse41, SSLRequest
from mysql_mimic.types import Capabilities, Commands, ServerStatus, str_len

from qserv.catalog import logs
from qserv.catalog.errors import AccessDenied, NoCursor, ParseError, QservError, QueryKilled
from qserv.catalog.metadata import Account
from qserv.czar import charsets, cursors, login, parameters, statements, variables
from qserv.czar.answering import Pieces, Reply, first_pieces
from qserv.czar.columns import definition
from qserv.czar.door import Door
from qserv.czar.parameters import Prepared
from qserv.czar.phrases import Phrases
from qserv.czar.prepared import PreparedStatements
from qserv.czar.proving import LOGIN_BYTES, Prover
from qserv.czar.session import Result, Session
from qserv.czar.wire import DisconnectedError, TooLargeError, Wire

log = logs.get(__name__)
T = TypeVar("T")

LOGIN_SECONDS = 10.0
_COLLATION = 8
"""Where the number of the client's collation is in its answer to the greeting."""

MAX_COMMAND = 64 << 20
"""Bytes of a command: ``max_allowed_packet``."""


class Connection:
    """A client's connection. ``serve`` runs it to its end; ``kill`` ends it from another task of the same loop."""

    def __init__(self, wire: Wire, door: Door, identifier: int) -> None:
        self.id = identifier
        self.account: Account | None = None
        self._wire = wire
        self._door = door
        self._session: Session | None = None
        self._capabilities = door.capabilities
        self._say = Phrases(door.capabilities)
        self._charset = CharacterSet.utf8mb4
        self._prepared = PreparedStatements(door.pool, MAX_COMMAND)
        self._gone = asyncio.Event()
        wire.reader.on_close = self._client_went

    async def serve(self) -> None:
        try:
            if await self._log_in():
                await self._obey()
        except DisconnectedError as error:
            log.debug("connection ended", connection=self.id, reason=str(error))
        finally:
            self._client_went()
            self._prepared.forget_all()
            self._wire.close()

    def kill(self) -> None:
        """Close the connection and stop its query."""
        self._client_went()
        self._wire.abort()

    def _client_went(self) -> None:
        self._gone.set()
        if self._session is not None:
            self._door.pool.submit(self._door.czar.queries.drop, self.id)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._door.pool, work)

    async def _log_in(self) -> bool:
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                response, nonce = await self._shake_hands()
                known = login.NATIVE if response.client_plugin is None else response.client_plugin
                proof = (response.auth_response, nonce) if known == login.NATIVE else None
                return await self._enter(response.username, response.database, known, proof)
        except TimeoutError:
            log.debug("login took too long", connection=self.id)
        except (MysqlError, ValueError, IndexError, struct.error, UnicodeDecodeError, LookupError):
            await self._wire.send(self._say.error(1043, "08S01", "Bad handshake"))
        return False

    async def _shake_hands(self) -> tuple[HandshakeResponse41, bytes]:
        nonce = login.new_nonce()
        self._wire.put(
            packets.make_handshake_v10(
                capabilities=self._door.capabilities,
                server_charset=CharacterSet.utf8mb4,
                server_version=variables.VERSION,
                connection_id=self.id,
                auth_data=nonce + b"\0",
                status_flags=ServerStatus.SERVER_STATUS_AUTOCOMMIT,
                auth_plugin_name=login.NATIVE,
            )
        )
        await self._wire.drain()
        response = await self._handshake_response()
        if isinstance(response, SSLRequest):
            context = self._door.trust.server_context()
            if context is None:
                raise DisconnectedError("the client asks for TLS, which is not configured")
            await self._wire.start_tls(context)
            response = await self._handshake_response()
            if isinstance(response, SSLRequest):
                raise DisconnectedError("the client asks for TLS twice")
        self._capabilities = response.capabilities
        self._say = Phrases(response.capabilities)
        self._charset = response.client_charset
        return response, nonce

    async def _handshake_response(self) -> HandshakeResponse41 | SSLRequest:
        data = bytearray(await self._wire.read(LOGIN_BYTES))
        data[_COLLATION] = charsets.greeted(data[_COLLATION]).default_collation
        return packets.parse_handshake_response(capabilities=self._door.capabilities, data=bytes(data))

    async def _enter(
        self, name: str, database: str | None, plugin: str | None, proof: tuple[bytes, bytes] | None = None
    ) -> bool:
        """Check the password and begin a session; whether it is let in.

        ``plugin`` is how the client would prove its password; ``proof``: a native scramble that came, and its nonce.
        """
        try:
            account = await Prover(self._wire, self._door).account(name, plugin, proof)
            session = await self._in_thread(lambda: self._new_session(account, database or None))
        except QservError as error:
            log.info("login refused", connection=self.id, reason=error.code)
            await self._wire.send(self._say.refusal(error))
            return False
        self.account = account
        self._begin(session)
        await self._wire.send(self._say.ok())
        return True

    def _new_session(self, account: Account, database: str | None) -> Session:
        return Session(self._door.czar, account, database=database, connection=self.id, cipher=self._wire.cipher)

    def _begin(self, session: Session) -> None:
        """Go on in a new session, in the character set that the client logged in with."""
        for name in charsets.VARIABLES:
            session.variables.set(name, self._charset.name)
        self._session = session
        self._prepared.forget_all()

    async def _obey(self) -> None:
        """The command phase."""
        while not self._gone.is_set():
            self._wire.sequence = 0
            try:
                data = await self._wire.read(MAX_COMMAND)
            except TooLargeError:
                await self._wire.send(
                    self._say.error(1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes")
                )
                return
            if not data or data[0] == Commands.COM_QUIT:
                return
            try:
                if not await self._command(data[0], data[1:]):
                    return
            except QservError as error:
                await self._wire.send(self._say.refusal(error))
            except (MysqlError, struct.error, IndexError, ValueError, LookupError) as error:
                log.warning("malformed command", connection=self.id, command=data[0], error=str(error))
                await self._wire.send(self._say.error(1835, "HY000", "Malformed communication packet"))
            except DisconnectedError:
                raise
            except Exception:
                log.exception("a command failed", connection=self.id)
                await self._wire.send(self._say.error(1105, "HY000", "the czar failed inside: its log says why"))

    async def _command(self, command: int, data: bytes) -> bool:
        """Answer a command; False ends the connection."""
        session = self._current()
        if command == Commands.COM_QUERY:
            await self._answer(lambda: session.run(self._query_text(data)), binary=False)
        elif command == Commands.COM_CHANGE_USER:
            return await self._change_user(data)
        elif command in self._commands:
            await self._commands[command](data)
        else:
            await self._wire.send(self._say.error(1047, "08S01", "Unknown command"))
        return True

    @cached_property
    def _commands(self) -> dict[int, Callable[[bytes], Awaitable[None]]]:
        return {
            Commands.COM_STMT_PREPARE: self._prepare,
            Commands.COM_STMT_EXECUTE: self._execute,
            Commands.COM_STMT_FETCH: self._fetch,
            Commands.COM_STMT_SEND_LONG_DATA: self._long_data,
            Commands.COM_STMT_CLOSE: self._forget,
            Commands.COM_STMT_RESET: self._reset_statement,
            Commands.COM_INIT_DB: self._use,
            Commands.COM_FIELD_LIST: self._field_list,
            Commands.COM_RESET_CONNECTION: self._reset,
            Commands.COM_PING: self._agree,
            Commands.COM_DEBUG: self._agree,
            Commands.COM_SET_OPTION: self._agree_to_option,
            Commands.COM_STATISTICS: self._statistics,
        }

    async def _agree(self, _data: bytes) -> None:
        await self._wire.send(self._say.ok())

    async def _agree_to_option(self, _data: bytes) -> None:
        await self._wire.send(self._say.end())

    async def _statistics(self, _data: bytes) -> None:
        await self._wire.send(b"Qserv czar")

    async def _use(self, data: bytes) -> None:
        name, session = self._decode(data), self._current()
        await self._in_thread(lambda: session.use(name))
        await self._wire.send(self._say.ok())

    async def _forget(self, data: bytes) -> None:
        """Close a prepared statement; the client expects no answer."""
        self._prepared.forget(data)

    async def _reset_statement(self, data: bytes) -> None:
        self._prepared.reset(data)
        await self._wire.send(self._say.ok())

    def _current(self) -> Session:
        if self._session is None:
            raise AccessDenied("log in first")
        return self._session

    @property
    def _client(self) -> CharacterSet:
        return charsets.client(self._current().variables)

    @property
    def _results(self) -> CharacterSet:
        return charsets.results(self._current().variables)

    def _decode(self, data: bytes) -> str:
        return self._text(lambda: data.decode(self._client.codec))

    def _query_text(self, data: bytes) -> str:
        return self._text(lambda: str(packets.parse_com_query(self._capabilities, self._client, data).sql))

    def _text(self, decode: Callable[[], str]) -> str:
        try:
            return decode()
        except UnicodeDecodeError as error:
            raise ParseError(f"what was sent is not text in {self._client.name}: {error.reason}") from None

    async def _answer(self, begin: Callable[[], Result], *, binary: bool) -> None:
        """Run a statement and send what it answers."""
        session = self._current()
        reply = Reply(binary=binary, results=self._results, sequence=self._wire.sequence, eof=not self._say.short)
        try:
            pieces = await self._in_thread(lambda: first_pieces(begin, reply))
        except QservError:
            raise
        except Exception as error:
            log.exception("a statement failed inside", connection=self.id)
            raise QservError("the czar failed inside: its log says why") from error
        if pieces is None:
            await self._wire.send(self._say.ok(warnings=len(session.warnings)))
            return
        try:
            await self._stream(pieces)
        except BaseException:
            reason = QueryKilled("the client went away")
            with contextlib.suppress(QservError):
                await self._in_thread(lambda: pieces.close(reason))
            raise
        await self._wire.send(self._say.end(warnings=len(session.warnings)))

    async def _stream(self, pieces: Pieces) -> None:
        self._wire.put_packets(pieces.first, pieces.sequence)
        while not pieces.done:
            following = asyncio.ensure_future(self._in_thread(pieces.take))
            try:
                await self._wire.drain_unless(lambda: pieces.stopped)
                piece = await following
            except BaseException:
                if not following.done():
                    pieces.stop(QueryKilled("the client went away"))
                with contextlib.suppress(BaseException):
                    await following
                raise
            if piece is not None:
                self._wire.put_packets(piece.data, piece.sequence)
                if self._gone.is_set():
                    raise DisconnectedError("the client closed the connection")

    async def _prepare(self, data: bytes) -> None:
        sql = self._decode(data)
        self._prepared.check_room()
        session = self._current()
        statement, count = await self._in_thread(lambda: statements.prepare(sql))
        names = await self._in_thread(lambda: session.columns(statement, count, sql)) if statement is not None else ()
        prepared = self._prepared.add(sql, statement, count)
        self._wire.put(struct.pack("<BIHHBH", 0, prepared.id, len(names), count, 0, 0))
        for group in (["?"] * count, names):
            for name in group:
                self._wire.put(definition(pa.field(name, pa.string()), self._results))
            if group and not self._say.short:
                self._wire.put(self._say.eof())
        await self._wire.drain()

    async def _execute(self, data: bytes) -> None:
        prepared, session = self._prepared.find(data), self._current()
        flags = data[4]
        attributes = bool(self._capabilities & Capabilities.CLIENT_QUERY_ATTRIBUTES) and (
            prepared.parameters > 0 or bool(flags & 0x08)
        )
        try:
            values = parameters.read(prepared, data[9:], attributes=attributes, charset=self._client)
        finally:
            prepared.forget_long_data()
        statement = statements.bind(prepared.statement, values) if prepared.statement is not None else None
        self._prepared.close_cursor(prepared)
        if flags & cursors.READ_ONLY:
            await self._open_cursor(prepared, lambda: session.execute(statement, prepared.sql))
        else:
            await self._answer(lambda: session.execute(statement, prepared.sql), binary=True)

    async def _open_cursor(self, prepared: Prepared, begin: Callable[[], Result]) -> None:
        result, warnings = await self._in_thread(begin), len(self._current().warnings)
        if result.schema is None:
            await self._wire.send(self._say.ok(warnings=warnings))
            return
        prepared.cursor = cursors.Cursor(result, result.schema, self._results)
        for payload in prepared.cursor.headers():
            self._wire.put(payload)
        await self._wire.send(self._say.end(warnings, ServerStatus.SERVER_STATUS_CURSOR_EXISTS))

    async def _fetch(self, data: bytes) -> None:
        """The next rows of a cursor."""
        prepared = self._prepared.find(data)
        cursor = prepared.cursor
        if cursor is None:
            raise NoCursor(f"The statement ({prepared.id}) has no open cursor")
        pieces = cursor.rows(struct.unpack_from("<I", data, 4)[0], self._wire.sequence)
        try:
            while (piece := await self._in_thread(lambda: next(pieces, None))) is not None:
                self._wire.put_packets(piece.data, piece.sequence)
                await self._wire.drain_unless(lambda: cursor.stopped)
        except BaseException:
            self._prepared.close_cursor(prepared)
            raise
        if cursor.ended:
            prepared.cursor = None
        told = ServerStatus.SERVER_STATUS_LAST_ROW_SENT if cursor.ended else ServerStatus.SERVER_STATUS_CURSOR_EXISTS
        await self._wire.send(self._say.end(cursor=told))

    async def _long_data(self, data: bytes) -> None:
        """Data of a parameter, sent ahead; the client expects no answer."""
        self._prepared.add_long_data(data)

    async def _field_list(self, data: bytes) -> None:
        session = self._current()
        name = self._decode(data.partition(b"\0")[0]).replace("`", "``")
        result = await self._in_thread(lambda: session.run(f"SHOW COLUMNS FROM `{name}`"))
        columns = result.rows.column("Field").to_pylist() if result.rows is not None else []
        for column in columns:
            self._wire.put(definition(pa.field(column, pa.string()), self._results) + str_len(b""))
        await self._wire.send(self._say.end())

    async def _change_user(self, data: bytes) -> bool:
        asked = packets.parse_com_change_user(self._capabilities, self._charset, data)
        self._session = self.account = None
        self._charset = charsets.greeted(asked.client_charset or self._charset)
        # The first nonce was used already: the answer to it proves nothing now, so another is asked for.
        return await self._enter(asked.username, asked.database, asked.client_plugin)

    async def _reset(self, _data: bytes) -> None:
        account = self._current().account
        session = await self._in_thread(lambda: self._new_session(account, None))
        session.database = self._current().database
        self._begin(session)
        await self._wire.send(self._say.ok())
