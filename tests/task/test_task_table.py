from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasturtium.errors import TaskError
from nasturtium.task.load import load
from nasturtium.task.make_task import make_task
from nasturtium.task.table_encoding import Encoding

pd = pytest.importorskip("pandas", reason="tables are tested with pandas")


def people(count: int = 60, **changes: Any) -> Any:
    rng = np.random.default_rng(0)
    columns = {
        "age": rng.integers(18, 90, count),
        "pay": rng.normal(1e5, 1e4, count),
        "city": pd.Series(rng.choice(["Rome", "Oslo", "Bern"], count)),
        "size": pd.Categorical(rng.choice(["S", "L"], count), ["S", "M", "L"]),
        "member": rng.random(count) < 0.5,
        "left": np.where(np.arange(count) % 3 == 0, "yes", "no"),
    }
    return pd.DataFrame(columns | changes)


FEATURES = (
    "age",
    "pay",
    "city=Bern",
    "city=Oslo",
    "city=Rome",
    "size=L",
    "size=S",
    "member=False",
    "member=True",
)


def test_columns_become_features(tmp_path: Path) -> None:
    table = people()
    task = load((table, "left"))
    assert (task.name, task.class_names, task.inputs) == ("table", ("no", "yes"), (9,))
    assert task.encoding is not None
    assert task.encoding.names == FEATURES
    rows = task.split_indices["train"]
    expected = pd.get_dummies(table.drop(columns="left"), columns=["city", "size", "member"])
    expected = expected[[name.replace("=", "_") for name in FEATURES]].to_numpy(np.float32)
    assert np.array_equal(task.train.inputs, expected[rows])
    assert np.array_equal(task.train.labels, (table["left"] == "yes").to_numpy()[rows])
    apart = load((table.drop(columns="left"), table["left"]))
    assert apart.fingerprint == task.fingerprint
    task.save(tmp_path / "t")
    back = load(tmp_path / "t")
    assert back.encoding == task.encoding
    new = table.drop(columns="left").iloc[::-1].iloc[:, ::-1].assign(more=1)  # in another order
    assert np.array_equal(back.encoding.apply(new), expected[::-1])
    told = json.loads(json.dumps(task.encoding.to_json()))
    assert Encoding.from_json(told) == task.encoding


def test_another_table_is_encoded_as_the_training_table() -> None:
    train, test = people(), people(12, city="Oslo")
    test.loc[[0, 1], "city"] = "Paris"
    task = load({"test": (test, "left"), "train": (train, "left")})
    assert task.notes == ("2 test rows have a category in 'city' that train does not have",)
    assert task.test is not None
    assert task.test.inputs[:, 2:5].sum(0).tolist() == [0, 10, 0]
    pair = load(((train, "left"), (test, "left")))
    assert pair.fingerprint == task.fingerprint


def gappy() -> Any:
    table = people(age=pd.array([None, 30, 40, *range(57)], dtype="Int64"))
    table.loc[[1, 2], "pay"] = np.nan
    table.loc[[5], "city"] = None
    return table


def test_missing_values_are_refused_by_name() -> None:
    message = (
        r"the train table has missing values in 'age' \(1\), 'pay' \(2\), 'city' \(1\); fill .*"
        "missing='median'"
    )
    with pytest.raises(TaskError, match=message):
        load((gappy(), "left"))


def test_missing_values_become_medians_of_training_examples() -> None:
    table = gappy()
    task = load((table, "left"), missing="median")
    assert task.encoding is not None
    assert np.isfinite(task.train.inputs).all()
    pay = table["pay"].iloc[task.split_indices["train"]].median()
    assert task.encoding.columns[1].median == pytest.approx(pay)
    filled = task.encoding.apply(table)
    assert filled[1, 1] == np.float32(pay)
    assert filled[5, 2:5].tolist() == [0, 0, 0]
    for part, split in task.splits.items():
        assert np.array_equal(split.inputs, filled[task.split_indices[part]])
    assert "missing" in " ".join(task.notes)
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    x[3, 0] = np.nan
    held = x.copy()
    plain = make_task(x, [0, 1, 2] * 10, name="t", missing="median")
    assert all(np.isfinite(split.inputs).all() for split in plain.splits.values())
    assert np.array_equal(x, held, equal_nan=True)  # what was given is not written to


def test_numbers_as_objects_stay_numbers() -> None:
    table = people(age=pd.Series([20, None, Decimal("30.5")] * 20, dtype=object))
    task = load((table, "left"), missing="median")
    assert task.inputs == (len(FEATURES),)
    assert task.encoding is not None
    assert task.encoding.apply(table)[2, 0] == 30.5


COLUMNS = [
    (pd.Series([1, "?"] * 30, dtype=object), "'age' of the train table holds numbers and texts; "),
    (pd.Series([[1]] * 60, dtype=object), "'age' of the train table holds list objects"),
    (pd.Series([date(2020, 1, 1)] * 60, dtype=object), "'age' .* holds date objects"),
    (pd.interval_range(0, 60), "'age' of the train table holds Interval objects"),
    (pd.date_range("2020", periods=60, tz="UTC"), "'age' .* is datetime64"),
    (pd.period_range("2020", periods=60), "'age' .* is period"),
    (pd.Series([None] * 60, dtype=object), "'age' of the train table has no value at all"),
]


@pytest.mark.parametrize(("column", "message"), COLUMNS)
def test_columns_that_are_not_features(column: Any, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        load((people(age=column), "left"), missing="median")


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (lambda: (people(), "lefft"), {}, "no column 'lefft' for the labels; did you mean 'left'"),
        (
            lambda: people(),
            {},
            r"type DataFrame arrived \(for a table, pass \(table, 'column of",
        ),
        (lambda: (people(when=pd.Timestamp("2020")), "left"), {}, "'when' .* is datetime64"),
        (lambda: (people()[["left"]], "left"), {}, "no columns but the labels"),
        (lambda: (people(pay=np.inf), "left"), {}, r"infinite values in 'pay' \(60\)"),
        (
            lambda: (people(1200, name=[f"n{k}" for k in range(1200)]), "left"),
            {},
            "'name' of the train table has 1,200 categories; expected up to 1,000",
        ),
        (lambda: (people(age=np.nan), "left"), {"missing": "median"}, "'age' has no value in any"),
        (lambda: (people(left=None), "left"), {}, "60 of 60 train labels are missing"),
        (lambda: (people(), people()["left"][::-1]), {}, "labels have another index"),
        (lambda: (people().iloc[:0], "left"), {}, "train inputs are empty"),
        (lambda: (people().iloc[:1], "left"), {}, "only one class"),
        (lambda: (people(left=range(60)), "left"), {}, "60 different whole numbers"),
        (lambda: (pd.concat([people(), people()], axis=1), "left"), {}, "column 'left' twice"),
        (lambda: (people(), pd.get_dummies(people()["left"])), {}, "one-hot, so pass labels.arg"),
        (lambda: (people(), "left"), {"missing": "mean"}, "missing='mean'; expected 'error' or"),
        (
            lambda: (np.zeros((9, 8, 8)), [0, 1, 2] * 3),
            {"missing": "median"},
            "inputs are images",
        ),
    ],
)
def test_messages(data: Any, options: dict[str, str], message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        load(data(), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_messages_about_new_rows() -> None:
    encoding = load((people(), "left")).encoding
    assert encoding is not None
    with pytest.raises(TaskError, match="the new table has no column 'age'"):
        encoding.apply(people().drop(columns="age"))
    with pytest.raises(TaskError, match="'age' of the new table holds no numbers"):
        encoding.apply(people(age="old"))
    numbers = encoding.apply(people(member=1.0))  # no text of the training table's
    assert not numbers[:, -2:].any()
