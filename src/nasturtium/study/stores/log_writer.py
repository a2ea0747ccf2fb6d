"""Appending events to logs in a database: all of them or none, and none of them twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, final

from nasturtium.errors import StoreError
from nasturtium.study.event import Event, chain_digest, encode
from nasturtium.study.log_summary import SEGMENT
from nasturtium.study.stores.database import Database
from nasturtium.study.stores.failure import explain_failure
from nasturtium.study.stores.log_reader import LogReader
from nasturtium.study.stores.snapshots import SnapshotWriter

__all__ = ["LogWriter"]


@final
class LogWriter:
    """Appends to the logs of a database.

    Args:
        database: the open database.
        sync: seconds between writes of an SQLite file that are forced to the disk.
    """

    def __init__(self, database: Database, sync: float) -> None:
        self.database = database
        self.sync = sync
        self._reader = LogReader(database)
        self._synced = 0.0
        self._ends: dict[str, tuple[int, str]] = {}  # number and digest of the last event
        self._snapshots: dict[str, SnapshotWriter] = {}

    def forget(self) -> None:
        """Read the ends of the logs again before the next append."""
        self._ends.clear()
        self._snapshots.clear()

    def append(self, study: str, events: Sequence[Event]) -> int:
        """Append events, and return the number of the last one.

        Raises:
            StoreError: the database cannot be written.
        """
        end = self._ends.get(study)
        try:
            if end is None:
                end = self._reader.end(study)
            if not events:
                return end[0]
            self.database.create_tables()
            number, digest = end
            rows: list[tuple[Any, ...]] = []
            for event in events:
                number += 1
                body, measured = encode(event)
                digest = chain_digest(digest, number, event.kind, body, measured)
                rows.append((study, number, event.kind, body, measured, digest))
            snapshots = self._due_snapshots(study, events, rows)
            if self.database.raw is not None:
                self._append_sqlite(rows, snapshots)
            else:
                self._append_server(rows, snapshots)
        except BaseException as error:
            self.database.rollback()
            self._ends.pop(study, None)  # a request to stop may have arrived after the commit
            self._snapshots.pop(study, None)
            if isinstance(error, StoreError) or not isinstance(error, Exception):
                raise
            raise StoreError(explain_failure(self.database.url, "written", error)) from error
        self._ends[study] = number, digest
        return number

    def _append_sqlite(
        self, rows: list[tuple[Any, ...]], snapshots: Sequence[tuple[Any, ...]] = ()
    ) -> None:
        # One commit per call on the driver's own connection: this is the hot path of a study
        # over a table, and compiling the statement would cost more than executing it.
        database = self.database
        raw = database.raw
        assert raw is not None
        now = time.monotonic()
        forced = now - self._synced > self.sync
        if forced:
            raw.execute("PRAGMA synchronous=FULL")
        raw.execute("BEGIN IMMEDIATE")
        lease = database.leases.get(rows[0][0])
        if lease is not None and lease.overdue:
            lease.renew(database.connection)
        raw.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", rows)
        for row in snapshots:
            raw.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)", row)
        raw.execute("COMMIT")
        if forced:
            raw.execute("PRAGMA synchronous=NORMAL")
            self._synced = time.monotonic()

    def _append_server(
        self, rows: list[tuple[Any, ...]], snapshots: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert rows once, waiting for an unavailable database."""
        database = self.database
        sql, table, snapshot = database.sql, database.event, database.snapshot
        names = table.columns.keys()
        values = [dict(zip(names, row, strict=True)) for row in rows]
        study, first = rows[0][:2]
        lease = database.leases.get(study)

        def send(connection: Any) -> None:
            overdue = lease is not None and lease.overdue
            # One row needs no explicit transaction: one round trip to the server instead of three.
            single = len(rows) == 1 and not overdue and not snapshots
            level = "AUTOCOMMIT" if single else connection.default_isolation_level
            if connection.get_execution_options().get("isolation_level") != level:
                connection.execution_options(isolation_level=level)
            if lease is not None and overdue:
                lease.renew(connection)
            connection.execute(sql.insert(table), values)
            for row in snapshots:
                same = (snapshot.c.study == row[0]) & (snapshot.c.number == row[1])
                connection.execute(sql.delete(snapshot).where(same))
                connection.execute(sql.insert(snapshot).values(row))
            connection.commit()

        def are_stored(connection: Any) -> bool:
            query = sql.select(table).where(table.c.study == study, table.c.number >= first)
            query = query.order_by(table.c.number).limit(len(rows))
            stored = [tuple(row) for row in connection.execute(query)]
            connection.commit()
            return stored == rows

        def send_again(connection: Any) -> None:
            # The connection was lost: it is unknown whether the rows were committed.
            if are_stored(connection):
                return
            try:
                send(connection)
            except sql.exc.IntegrityError:  # they were being committed during the check
                connection.rollback()
                if not are_stored(connection):
                    raise

        database.restored.run(send, again=send_again, patience=database.patience)

    def _due_snapshots(
        self, study: str, events: Sequence[Event], rows: Sequence[tuple[Any, ...]]
    ) -> list[tuple[Any, ...]]:
        """Return the snapshots to store with these rows: study, number, digest and text of each."""
        before, last = rows[0][1] - 1, rows[-1][1]
        writer = self._snapshots.get(study)
        if writer is None:
            writer = self._snapshots[study] = SnapshotWriter(before)
        writer.waiting += events
        if last // SEGMENT == before // SEGMENT:
            return []
        digests = {row[1]: row[5] for row in rows if row[1] % SEGMENT == 0}
        try:
            summaries = writer.complete_segments(self._reader, study)
        except StoreError:  # the log is not one of a study: it has no snapshots
            writer.goals = None
            return []
        return [
            (
                study,
                one.last,
                one.digest(digests.get(one.last) or self._reader.digest_of(study, one.last)),
                one.to_json(),
            )
            for one in summaries
        ]
