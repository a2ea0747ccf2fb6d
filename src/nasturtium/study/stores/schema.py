"""The tables of a store."""

from __future__ import annotations

from typing import Any

__all__ = ["EVENT_COLUMNS", "make_tables"]

EVENT_COLUMNS = ("number", "kind", "body", "measured", "digest")


def make_tables(sql: Any) -> Any:
    """Return SQLAlchemy's description of the tables ``event``, ``lease`` and ``snapshot``.

    Args:
        sql: the module ``sqlalchemy``.
    """
    meta = sql.MetaData()
    key = {"primary_key": True}
    sql.Table(
        "event",
        meta,
        sql.Column("study", sql.String(200), **key),
        sql.Column("number", sql.Integer, **key),
        sql.Column("kind", sql.String(20), nullable=False),
        sql.Column("body", sql.Text, nullable=False),
        sql.Column("measured", sql.Text, nullable=False),
        sql.Column("digest", sql.String(32), nullable=False),
    )
    sql.Table(
        "lease",
        meta,
        sql.Column("study", sql.String(200), **key),
        sql.Column("holder", sql.Text, nullable=False),
        sql.Column("beat", sql.Float, nullable=False),
    )
    sql.Table(
        "snapshot",
        meta,
        sql.Column("study", sql.String(200), **key),
        sql.Column("number", sql.Integer, **key),
        sql.Column("digest", sql.String(32), nullable=False),
        sql.Column("body", sql.Text, nullable=False),
    )
    return meta
