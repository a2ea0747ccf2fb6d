"""Reading logs from a database, with the digest of every event checked."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Any, cast, final

from nasturtium.architecture import Architecture
from nasturtium.errors import StoreError
from nasturtium.study.event import Event, chain_digest, decode
from nasturtium.study.log_summary import SegmentSummary
from nasturtium.study.stores.database import Database
from nasturtium.study.stores.redact import redact
from nasturtium.study.stores.schema import EVENT_COLUMNS

__all__ = ["LogReader", "Row"]

FIRST_PAGE, PAGE = 32, 4096  # rows that are read at once: at first, and then
PICKED = 400  # events that one query picks by their numbers

Row = tuple[int, str, str, str, str]  # number, kind, body, measured and digest of an event


@final
class LogReader:
    """Reads the logs of a database.

    Args:
        database: the open database.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def read(self, study: str, after: int = 0) -> Iterator[Event]:
        """Yield the events of a study with a number above ``after``, in order."""
        known: dict[Architecture, Architecture] = {}
        for number, kind, body, measured, _ in self.rows(study, after):
            yield _decode(study, number, kind, body, measured, known)

    def read_events(self, study: str, numbers: Iterable[int]) -> dict[int, Event]:
        """Return some events by their numbers.

        Raises:
            StoreError: one is missing, or is damaged.
        """
        ordered = sorted(set(numbers))
        sql, table = self.database.sql, self.database.event
        events: dict[int, Event] = {}
        known: dict[Architecture, Architecture] = {}
        for start in range(0, len(ordered), PICKED):
            part = ordered[start : start + PICKED]
            with_previous = {*part, *(number - 1 for number in part)}
            query = sql.select(*map(table.c.__getitem__, EVENT_COLUMNS)).where(
                table.c.study == study, table.c.number.in_(with_previous)
            )
            rows = {int(row[0]): row for row in self.database.fetch(query)}
            for number in part:
                before = rows.get(number - 1)
                digest = "" if number == 1 else "?" if before is None else str(before[4])
                row = self._checked(study, number, rows.get(number), digest)
                events[number] = _decode(study, *row[:4], known)
        return events

    def rows(self, study: str, after: int = 0) -> Iterator[Row]:
        """Yield the log as it is stored.

        Raises:
            StoreError: an event is missing, altered or out of its place; names the first.
        """
        if not self.database.has_tables():
            return
        sql, table = self.database.sql, self.database.event
        digest = self.digest_of(study, after) if after else ""
        page = FIRST_PAGE
        while True:
            query = (
                sql.select(*map(table.c.__getitem__, EVENT_COLUMNS))
                .where(table.c.study == study, table.c.number > after)
                .order_by(table.c.number)
                .limit(page)
            )
            rows = self.database.fetch(query)
            for row in rows:
                after += 1
                checked = self._checked(study, after, row, digest)
                digest = checked[4]
                yield checked
            if len(rows) < page:
                return
            page = PAGE

    def _checked(self, study: str, number: int, row: Any, digest: str) -> Row:
        """Return a row if it has the expected number and follows the row before it.

        Raises:
            StoreError: it does not.
        """
        problem = f"of study {study!r} is missing"
        if row is not None and row[0] == number:
            if not (type(row[1]) is type(row[2]) is type(row[3]) is type(row[4]) is str):
                problem = f"of study {study!r} is damaged: it holds something else than texts"
            elif chain_digest(digest, number, row[1], row[2], row[3]) == row[4]:
                return cast(Row, row)
            else:
                problem = (
                    f"of study {study!r} does not match its digest: it, or its place, was altered"
                )
        store = redact(self.database.url).removeprefix("sqlite:///")
        where = shlex.quote(f"{store}:{study}")
        raise StoreError(
            f"event {number} {problem}; nasturtium check {where} says what holds, nasturtium "
            f"repair {where} keeps the events before it"
        )

    def summaries(self, study: str) -> list[SegmentSummary]:
        """Return the stored summaries of the log's first events, as far as they are sound.

        Each was written together with the last event that it covers. One whose digest does not
        match its text and the log is left out, with all that follow it.
        """
        if not self.database.has_tables():
            return []
        sql, event, table = self.database.sql, self.database.event, self.database.snapshot
        query = (
            sql.select(table.c.number, table.c.digest, table.c.body, event.c.digest)
            .join(event, (event.c.study == table.c.study) & (event.c.number == table.c.number))
            .where(table.c.study == study)
            .order_by(table.c.number)
        )
        summaries: list[SegmentSummary] = []
        for number, digest, body, last_digest in self.database.fetch(query):
            summary = SegmentSummary.parse(str(body), int(number))
            expected = summaries[-1].last + 1 if summaries else 1
            if summary is None or summary.first != expected:
                break
            if chain_digest(str(last_digest), int(number), "segment", str(body), "") != digest:
                break
            summaries.append(summary)
        return summaries

    def end(self, study: str) -> tuple[int, str]:
        """Return the number and the digest of the last event; 0 and "" of an empty log."""
        if not self.database.has_tables():
            return 0, ""
        sql, table = self.database.sql, self.database.event
        query = sql.select(table.c.number, table.c.digest).where(table.c.study == study)
        rows = self.database.fetch(query.order_by(table.c.number.desc()).limit(1))
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")

    def digest_of(self, study: str, number: int) -> str:
        """Return the digest of an event; empty if there is no such event."""
        sql, table = self.database.sql, self.database.event
        query = sql.select(table.c.digest).where(table.c.study == study, table.c.number == number)
        rows = self.database.fetch(query)
        return str(rows[0][0]) if rows else ""

    def studies(self) -> tuple[str, ...]:
        """Return the names of the studies that have events, sorted."""
        if not self.database.has_tables():
            return ()
        # One step along the index for each study, however long the logs are.
        sql, column = self.database.sql, self.database.event.c.study
        names = [""]
        while True:
            query = sql.select(sql.func.min(column)).where(column > names[-1])
            name = self.database.fetch(query)[0][0]
            if type(name) is not str:  # no study is left, or none whose name is a text
                return tuple(sorted(names[1:]))
            names.append(name)


def _decode(
    study: str,
    number: int,
    kind: str,
    body: str,
    measured: str,
    known: dict[Architecture, Architecture],
) -> Event:
    try:
        return decode(kind, body, measured, known)
    except StoreError as error:
        raise StoreError(f"event {number} of study {study!r}: {error}") from error
