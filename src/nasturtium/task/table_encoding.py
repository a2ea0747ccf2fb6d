"""Encoding of the columns of a table (of pandas, or alike) as vectors, kept for new rows.

Nothing here imports a library of tables: a frame is any object with ``columns`` that returns each
column by its name in a form that NumPy reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nasturtium.errors import TaskError
from nasturtium.task.wording import option

__all__ = ["Column", "Encoding", "is_missing"]

Array = NDArray[Any]

_MOST = 1000  # categories of a column; a column with more holds free text or identifiers


@final
@dataclass(frozen=True)
class Column:
    """The encoding of one column of a table.

    Attributes:
        name: the column's name.
        categories: the categories as text, one feature each; ``None`` for numbers.
        median: replaces missing numbers; ``None`` if no number may be missing.
    """

    name: str
    categories: tuple[str, ...] | None = None
    median: float | None = None


@final
@dataclass(frozen=True)
class Encoding:
    """The encoding of a table's rows as vectors, so that new rows are encoded alike.

    Numbers stay as they are. Booleans, texts and categories are one-hot encoded over the categories
    of the training table; a category that is not among them becomes zeros.

    Attributes:
        columns: in the order of their features.
        median: whether values may be missing: numbers become medians, categories zeros.
    """

    columns: tuple[Column, ...]
    median: bool = False

    @classmethod
    def of(cls, frame: Any, *, part: str = "train", median: bool = False) -> Encoding:
        """Return the encoding of a table's columns.

        Raises:
            TaskError: a column holds neither numbers nor categories, or too many categories.
        """
        names = [str(name) for name in frame.columns]
        if not names:
            raise TaskError(f"the {part} table has no columns but the labels; expected features")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise TaskError(f"the {part} table has the column {twice[0]!r} twice; rename one")
        columns = []
        for key in frame.columns:
            values, missing, numeric = _read_column(frame, key, part)
            if numeric:
                columns.append(Column(str(key)))
                continue
            if missing.all() and len(missing):
                raise TaskError(
                    f"column {str(key)!r} of the {part} table has no value at all; leave it out"
                )
            categories = sorted(set(values[~missing]))
            if len(categories) > _MOST:
                raise TaskError(
                    f"column {str(key)!r} of the {part} table has {len(categories):,} categories; "
                    f"expected up to {_MOST:,}: leave it out, or turn it into numbers"
                )
            columns.append(Column(str(key), tuple(categories)))
        return cls(tuple(columns), median)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each feature: ``column``, or ``column=category``."""
        return tuple(
            name
            for column in self.columns
            for name in (
                [column.name]
                if column.categories is None
                else [f"{column.name}={category}" for category in column.categories]
            )
        )

    def apply(self, frame: Any, *, part: str = "new") -> Array:
        """Return the rows of a table as (N, F) float32; other columns are left out.

        Raises:
            TaskError: a column is absent or of another type, or values are missing.
        """
        keys = {str(key): key for key in frame.columns}
        if absent := [column.name for column in self.columns if column.name not in keys]:
            raise TaskError(
                f"the {part} table has no column {absent[0]!r}; it has {', '.join(keys)}"
            )
        out = np.zeros((len(frame), len(self.names)), np.float32)
        gaps: dict[str, int] = {}
        infinite: dict[str, int] = {}
        at = 0
        for column in self.columns:
            as_text = column.categories is not None
            values, missing, numeric = _read_column(frame, keys[column.name], part, as_text=as_text)
            if missing.any():
                gaps[column.name] = int(missing.sum())
            if column.categories is not None:
                end = at + len(column.categories)
                if column.categories and len(values):
                    out[:, at:end] = _encode_one_hot(values, column.categories)
                at = end
                continue
            if not numeric:
                raise TaskError(
                    f"column {column.name!r} of the {part} table holds no numbers; the training "
                    "table has numbers there"
                )
            with np.errstate(over="ignore"):
                out[:, at] = values
            if too_large := int(np.isinf(out[:, at]).sum()):
                infinite[column.name] = too_large
            if column.median is not None:
                out[missing, at] = column.median
            at += 1
        if infinite:
            raise TaskError(
                f"the {part} table has infinite values in {_format_counts(infinite)}; remove or "
                "replace them"
            )
        if gaps and not self.median:
            advice = option("missing='median'")
            raise TaskError(
                f"the {part} table has missing values in {_format_counts(gaps)}; fill them, leave "
                f"those rows or columns out, or pass {advice}"
            )
        return out

    def describe_unknown(self, frame: Any, *, part: str) -> list[str]:
        """Return a note for each column with categories that the training table does not have."""
        keys = {str(key): key for key in frame.columns}
        notes = []
        for column in self.columns:
            if column.categories is not None and column.name in keys:
                values, missing, _ = _read_column(frame, keys[column.name], part, as_text=True)
                known = set(column.categories)
                if count := sum(value not in known for value in values[~missing]):
                    notes.append(
                        f"{count} {part} rows have a category in {column.name!r} that train does "
                        "not have"
                    )
        return notes

    def with_medians(self, medians: Sequence[float]) -> Encoding:
        """Return the encoding with the median of each feature; those of categories are ignored."""
        columns, at = [], 0
        for column in self.columns:
            if column.categories is None:
                columns.append(replace(column, median=medians[at]))
                at += 1
            else:
                columns.append(column)
                at += len(column.categories)
        return replace(self, columns=tuple(columns))

    def to_json(self) -> dict[str, Any]:
        """Return plain values that ``from_json`` reads back."""
        return {
            "median": self.median,
            "columns": [
                {
                    "name": column.name,
                    "categories": None if column.categories is None else list(column.categories),
                    "median": column.median,
                }
                for column in self.columns
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Encoding:
        """Read what ``to_json`` wrote."""
        return cls(
            tuple(
                Column(
                    column["name"],
                    None if column["categories"] is None else tuple(column["categories"]),
                    column["median"],
                )
                for column in data["columns"]
            ),
            data["median"],
        )


def is_missing(value: object) -> bool:
    """Return whether a value is ``None``, NaN, or a mark of pandas for missing values."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas' NA is neither true nor false
        return True
    except ValueError:  # an array
        return False


def _read_column(
    frame: Any, key: Any, part: str, *, as_text: bool = False
) -> tuple[Array, NDArray[np.bool_], bool]:
    """Return a column's values, which of them are missing, and whether they are numbers.

    Numbers are float64 with NaN where one is missing, categories are texts with ``None`` where one
    is missing, and with ``as_text`` numbers are texts too.
    """
    column = frame[key]
    categorical = as_text or str(column.dtype).lower().startswith(("categor", "enum"))
    values = np.asarray(column)
    if values.dtype.kind in "Mmc" or str(column.dtype).startswith(("datetime", "period")):
        raise TaskError(
            f"column {str(key)!r} of the {part} table is {column.dtype}; expected numbers, "
            "booleans, texts or categories: turn it into numbers, or leave it out"
        )
    if values.dtype.kind in "iuf" and not categorical:
        numbers = values.astype(np.float64)
        return numbers, np.isnan(numbers), True
    if values.dtype.kind not in "biufOUST":
        raise TaskError(f"column {str(key)!r} of the {part} table is {column.dtype}")
    plain = values.tolist()
    missing = np.array([is_missing(value) for value in plain], bool)
    kinds = {_kind(value) for value, absent in zip(plain, missing, strict=True) if not absent}
    if not categorical:
        # Numbers with pandas' NA, and numbers as Python objects.
        if getattr(column.dtype, "kind", "O") in "iuf" or (kinds == {"numbers"}):
            numbers = np.array(
                [
                    np.nan if absent else float(value)
                    for value, absent in zip(plain, missing, strict=True)
                ]
            )
            return numbers, missing, True
        if not kinds <= {"texts", "booleans"}:
            raise TaskError(
                f"column {str(key)!r} of the {part} table holds {' and '.join(sorted(kinds))}; "
                "expected numbers, booleans, texts or categories, one kind a column: convert "
                "it, e.g. with pandas.to_numeric(column, errors='coerce') or column.astype(str), "
                "or leave it out"
            )
    texts = [
        None if absent else _name_category(value)
        for value, absent in zip(plain, missing, strict=True)
    ]
    return np.array(texts, object), missing, False


def _encode_one_hot(values: Array, categories: Sequence[str]) -> Array:
    """Return a feature for each category of a column; ``None`` and other texts become zeros."""
    from sklearn.preprocessing import OneHotEncoder  # takes most of a second

    encoder = OneHotEncoder(
        categories=[np.array(categories, object)],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )
    return np.asarray(encoder.fit_transform(values[:, None]))  # the categories are given


def _kind(value: object) -> str:
    """Return the type of a column's value as a plural noun, for messages."""
    if isinstance(value, bool | np.bool_):
        return "booleans"
    if isinstance(value, str | bytes):
        return "texts"
    return "numbers" if isinstance(value, Real | Decimal) else f"{type(value).__name__} objects"


def _name_category(value: object) -> str:
    """Return a category as text, the same text for 1 and 1.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _format_counts(columns: Mapping[str, int]) -> str:
    shown = [f"{name!r} ({count:,})" for name, count in columns.items()]
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")
