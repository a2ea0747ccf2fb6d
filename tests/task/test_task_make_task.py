from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nasturtium.errors import TaskError
from nasturtium.task.make_task import make_task
from nasturtium.task.split import split_stratified
from nasturtium.task.task import Task


def images(count: int = 60, shape: tuple[int, ...] = (8, 8), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)


def labels(count: int = 60, classes: int = 3) -> np.ndarray:
    return np.arange(count) % classes


@given(
    sizes=st.lists(st.integers(3, 40), min_size=2, max_size=6),
    valid=st.floats(0.01, 0.99),
    test=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_splits_are_disjoint_complete_stratified_and_seeded(
    sizes: list[int], valid: float, test: float, seed: int
) -> None:
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    x = np.arange(len(y), dtype=np.float32)[:, None]
    task = make_task(x, y, name="t", fractions=(valid, test), seed=seed)
    again = make_task(x, y, name="t", fractions=(valid, test), seed=seed)
    parts = task.split_indices
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(y)))
    for name, split in task.splits.items():
        assert np.array_equal(split.inputs[:, 0], parts[name])  # each label stays with its input
        assert np.array_equal(split.labels, y[parts[name]])
        assert np.array_equal(parts[name], again.split_indices[name])
        assert np.bincount(split.labels, minlength=len(sizes)).min() >= 1
    assert task.test is not None
    for label, size in enumerate(sizes):
        held = (task.test.labels == label).sum()
        assert held == min(max(round(size * test), 1), size - 2)
        kept = (task.valid.labels == label).sum()
        assert kept == min(max(round((size - held) * valid), 1), size - held - 1)


@given(first=st.floats(0.05, 1), second=st.floats(0.05, 1), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_smaller_shares_lie_within_larger_ones(first: float, second: float, seed: int) -> None:
    y = labels(50, 4)
    small, large = sorted((first, second))
    chosen = [
        set(split_stratified(y, share, seed=seed, keep=0)[0].tolist()) for share in (small, large)
    ]
    assert chosen[0] <= chosen[1]
    assert len(split_stratified(y, 1.0, seed=seed, keep=0)[1]) == 0


def test_seed_changes_the_split_but_not_the_fingerprint() -> None:
    first = make_task(images(), labels(), name="a", seed=0)
    second = make_task(images(), labels(), name="b", seed=1)
    other = make_task(images(seed=1), labels(), name="a", seed=0)
    assert first.fingerprint == second.fingerprint != other.fingerprint
    assert first.split.digests != second.split.digests
    assert first.split.digests == other.split.digests
    relabelled = make_task(images(), labels()[::-1], name="a", seed=0)
    assert relabelled.fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("shape", "layout", "expected"),
    [
        ((8, 9), None, (1, 8, 9)),
        ((3, 8, 9), None, (3, 8, 9)),
        ((8, 9, 3), None, (3, 8, 9)),
        ((8, 9, 4), None, (4, 8, 9)),
        ((1, 8, 9), None, (1, 8, 9)),
        ((3, 8, 3), "NHWC", (3, 3, 8)),
        ((2, 8, 9), "NCHW", (2, 8, 9)),
        ((5,), None, (5,)),
    ],
)
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_layouts(
    shape: tuple[int, ...], layout: str | None, expected: tuple[int, ...], kind: str
) -> None:
    x = images(60, shape)
    data = torch.from_numpy(x) if kind == "torch" else x
    task = make_task(data, labels(), name="t", layout=layout)
    assert task.inputs == expected
    assert task.data_shapes == {"inputs": expected, "classes": 3}
    first = x[task.split_indices["train"][0]]
    if expected != shape and len(shape) == 3:
        first = first.transpose(2, 0, 1)
    assert np.array_equal(task.train.inputs[0], first.reshape(expected))


def test_mean_and_std_are_those_of_the_training_examples_alone() -> None:
    x = images(60, (3, 8, 8)).astype(np.float32) * np.array([1, 10, 0], np.float32)[:, None, None]
    task = make_task(x, labels(), name="t")
    train = task.train.inputs.astype(np.float64)
    assert task.mean == pytest.approx(train.mean((0, 2, 3)))
    assert task.std[:2] == pytest.approx(train.std((0, 2, 3))[:2], rel=1e-6)
    assert task.std[2] == 1.0  # a constant channel is not divided by 0


@pytest.mark.parametrize(
    ("y", "names", "expected"),
    [
        (np.array(["cat", "dog"] * 30), None, ("cat", "dog")),
        ([7, 3] * 30, None, ("3", "7")),
        ([1.0, 0.0] * 30, None, ("0", "1")),
        ([[0], [1]] * 30, ["no", "yes"], ("no", "yes")),
        (["b", "a"] * 30, ["b", "a"], ("b", "a")),
        (torch.tensor([0, 1] * 30), None, ("0", "1")),
    ],
)
def test_labels_become_classes(y: object, names: list[str] | None, expected: tuple[str]) -> None:
    task = make_task(images(), y, name="t", class_names=names)
    assert task.class_names == expected
    given = np.asarray(y).reshape(-1)[task.split_indices["train"]]
    back = np.array(expected)[task.train.labels]
    if names == ["no", "yes"]:
        assert np.array_equal(task.train.labels, given)
    else:
        assert [str(g) for g in (given.astype(int) if given.dtype.kind == "f" else given)] == list(
            back
        )


def test_given_splits_are_kept_whole_and_none_is_made_unasked() -> None:
    pair = (images(12, seed=2), labels(12))
    task = make_task(images(), labels(), name="t", test=pair)
    assert task.test is not None
    assert np.array_equal(task.test.inputs[:, 0], pair[0])
    assert (len(task.train), len(task.valid)) == (48, 12)
    assert task.split.test is None
    assert make_task(images(), labels(), name="t", fractions=(0.5, 0)).test is None
    both = make_task(images(), labels(), name="t", test=pair, valid=pair)
    assert len(both.train) == 60
    assert both.split.valid is None


def test_resizing_keeps_type_and_constants() -> None:
    task = make_task(np.full((60, 9, 12), 200, np.uint8), labels(), name="t", size=(4, 6))
    assert task.inputs == (1, 4, 6)
    assert task.train.inputs.dtype == np.uint8
    assert (task.train.inputs == 200).all()


def test_save_and_load(tmp_path: Path) -> None:
    task = make_task(images(), labels(), name="t", seed=3)
    task.save(tmp_path / "a" / "task")
    task.save(tmp_path / "a" / "task")  # the same again is no error
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["task"]  # nothing temporary is left
    back = Task.load(tmp_path / "a" / "task")
    assert isinstance(back.train.inputs, np.memmap)
    for part, split in task.splits.items():
        assert np.array_equal(split.inputs, back.splits[part].inputs)
        assert np.array_equal(split.labels, back.splits[part].labels)
        assert np.array_equal(task.split_indices[part], back.split_indices[part])
    for name in (
        "name",
        "class_names",
        "mean",
        "std",
        "split",
        "fingerprint",
        "notes",
        "data_shapes",
    ):
        assert getattr(task, name) == getattr(back, name)
    with pytest.raises(TaskError, match="holds another task"):
        make_task(images(), labels(), name="t", seed=4).save(tmp_path / "a" / "task")


def test_a_damaged_task_is_refused(tmp_path: Path) -> None:
    task = make_task(images(), labels(), name="t")
    task.save(tmp_path / "t")
    whole = (tmp_path / "t" / "train_inputs.npy").read_bytes()
    (tmp_path / "t" / "train_inputs.npy").write_bytes(whole[:-9])
    with pytest.raises(TaskError, match="is damaged"):
        Task.load(tmp_path / "t")
    task.save(tmp_path / "t", replace=True)  # as a cache does
    assert np.array_equal(Task.load(tmp_path / "t").train.inputs, task.train.inputs)
    header = json.loads((tmp_path / "t" / "task.json").read_text())
    (tmp_path / "t" / "task.json").write_text(json.dumps({**header, "format": 99}))
    with pytest.raises(TaskError, match="another format; expected format 2"):
        Task.load(tmp_path / "t")
    (tmp_path / "t" / "task.json").write_text("[" * 100_000)
    with pytest.raises(TaskError, match=r"holds no task \(maximum recursion depth"):
        Task.load(tmp_path / "t")
    with pytest.raises(TaskError, match="holds no task"):
        Task.load(tmp_path)


ONE = "this version classifies images and tables, one class for each example"
TABLE = np.random.default_rng(0).random((60, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.eye(3)[labels()], r"these are one-hot, so pass labels.argmax\(1\)"),
        (torch.eye(3, dtype=torch.int64)[labels()], r"these are one-hot, so pass labels.argmax"),
        (np.tile([1, 1, 0], (60, 1)), rf"\(multi-label\) are not supported yet: {ONE}"),
        (np.zeros((60, 3), bool), r"\(multi-label\) are not supported yet"),
        (np.full((60, 4), 0.25), "probabilities of classes are not supported yet; labels.argmax"),
        (np.full((60, 2), 0.7), r"several targets \(regression\) an example are not supported yet"),
        (np.full((60, 2), 5), "several labels an example are not supported yet"),
        (np.full((60, 2), "a"), "several labels an example are not supported yet"),
        (np.zeros((60, 8, 8), int), f"segmentation, which is not supported yet: {ONE}"),
        (TABLE[:, 0], f"is not a class; .*regression is not supported yet: {ONE}"),
        (np.arange(60) * 7, "60 different whole numbers, 0 to 413, .*labels.astype.str."),
        (3, "one label for each input"),
        (np.zeros(60, "M8[s]"), "labels are datetime64"),
        (np.array([*[[1, 2], [1]] * 29, 3, "x"], object), "labels hold Python objects"),
    ],
)
def test_labels_of_other_problems_are_named(y: object, message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        make_task(TABLE, y, name="t")
    assert "\n" not in str(caught.value)
    assert ("argmax" in str(caught.value)) == ("argmax" in message)


def test_many_numbers_as_labels() -> None:
    x, ages = TABLE[np.arange(3000) % 60], np.arange(3000) % 60 + 18
    (note,) = make_task(x, ages, name="t").notes
    assert note.startswith("labels are 60 different whole numbers, 18 to 77: each is treated as a")
    assert make_task(x, ages - 18, name="t").notes == ()  # as classes usually are
    assert make_task(x, ages - 18, name="t", class_names=[str(k) for k in range(60)]).notes == ()
    assert make_task(
        TABLE[:50], np.repeat(np.arange(25), 2).astype(str), name="t", fractions=(0.5, 0)
    )


def test_inputs_of_other_types() -> None:
    plain = make_task(TABLE, labels(), name="t").fingerprint
    tensor = torch.from_numpy(TABLE)
    for x in (TABLE.astype(float), tensor, tensor.double(), tensor.clone().requires_grad_()):
        assert make_task(x, labels(), name="t").fingerprint == plain
    for x in (tensor.bfloat16(), tensor.half(), TABLE.astype(np.float16)):
        assert np.abs(make_task(x, labels(), name="t").train.inputs).max() < 1.01
    assert make_task(TABLE > 0.5, labels(), name="t").train.inputs.dtype == np.uint8


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.from_numpy(TABLE).to_sparse(), r"pass tensor.to_dense\(\)"),
        (torch.empty(60, 5, device="meta"), "meta tensor"),
        (torch.zeros(60, 5, dtype=torch.complex64), "complex64; expected numbers"),
        (np.ma.masked_greater(TABLE, 0.5), r"masked values; fill them"),
        (np.zeros((60, 5), "M8[s]"), "datetime64.*expected numbers"),
        (TABLE.astype(object), "hold Python objects"),
    ],
)
def test_inputs_that_are_not_numbers(x: object, message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        make_task(x, labels(), name="t")
    assert "\n" not in str(caught.value)


def test_signals_and_images_like_signals() -> None:
    x = np.random.default_rng(0).random((60, 4, 64)).astype(np.float32)
    guess = make_task(x, labels(), name="t")
    assert guess.inputs == (1, 4, 64)
    (note,) = guess.notes
    assert "treated as grey images of 4 x 64" in note
    assert "layout='NCL'" in note
    assert make_task(x, labels(), name="t", layout="NHW").notes == ()
    signals = make_task(x, labels(), name="t", layout="NCL")
    assert (signals.inputs, signals.notes, len(signals.mean)) == ((4, 64), (), 4)
    turned = make_task(x.transpose(0, 2, 1), labels(), name="t", layout="NLC")
    assert turned.fingerprint == signals.fingerprint
    with pytest.raises(TaskError, match="do not fit layout='NHWC'"):
        make_task(x, labels(), name="t", layout="NHWC")
    with pytest.raises(TaskError, match="are not images"):
        make_task(x, labels(), name="t", layout="NCL", size=8)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_whole_numbers_are_quantities_with_a_note(kind: str) -> None:
    x: object = np.random.default_rng(0).integers(0, 30000, (60, 16))
    (note,) = make_task(torch.tensor(x) if kind == "torch" else x, labels(), name="t").notes
    assert "treated as quantities (float32), not as tokens or categories" in note


NAN = images().astype(np.float32)
NAN[[7, 9], 0, 0] = np.nan, np.inf


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (images(), labels(59), {}, "60 inputs but 59 labels; expected one label per input"),
        (NAN, labels(), {}, "hold 2 values that are NaN or infinite, the first in example 7"),
        (images(0), labels(0), {}, r"are empty \(shape \(0, 8, 8\)\)"),
        ([], [], {}, "are empty"),
        (
            images(60, (3, 8, 3)),
            labels(),
            {},
            "pass layout='NCHW' to nas.load, .* or 'NHWC' likewise",
        ),
        (images(60, (2, 8, 9)), labels(), {}, "pass layout="),
        (
            images(60, (3, 8, 9)),
            labels(),
            {"layout": "CHW"},
            "layout='CHW'; expected one of 'NCHW', 'NHWC', 'NHW', 'NCL', 'NLC'",
        ),
        (images(60, (1, 1, 8, 9)), labels(), {}, r"expected \(N, H, W\)"),
        (images(), labels() + 0.5, {}, r"label 0.5 \(index 0\) is not a class; .*regression"),
        (images(), np.full(60, np.nan), {}, "label nan"),
        (images(), np.eye(3)[labels()], {}, r"pass labels.argmax\(1\)"),
        (images(), np.zeros(60, int), {}, "only one class"),
        (images(), labels(), {"class_names": ["a", "b"]}, "label 2, which is not a class"),
        (images(), labels(), {"class_names": ["a", "b", "b"]}, "names a class twice"),
        (images(), labels(), {"class_names": list("abcd")}, "class 'd' has no example in train"),
        (images(4), [0, 0, 0, 1], {}, r"class '1' has 1 examples; dividing off valid and test"),
        (
            images(6),
            [0, 0, 1, 1, 1, 1],
            {"fractions": (0.2, 0.2)},
            "class '0' has 2 examples; .* needs 3 or more of each class",
        ),
        (images(), labels(), {"fractions": (0, 0.2)}, r"expected \(valid, test\) with 0 < valid"),
        (images(), labels(), {"seed": -1}, "seed=-1; expected 0 or more"),
        (images(60, (5,)), labels(), {"size": 4}, "are not images"),
        (images(), labels(), {"size": 0}, "size=0 was given; expected"),
        (images(), labels(), {"test": (images(9, (9, 9)), labels(9))}, "size=.height, width."),
        (images(), labels(), {"test": (NAN[:6], labels(6))}, "one type and one scale"),
        (images(), labels(), {"test": (images(6), [0, 1, 2, 3, 4, 5])}, "test has the label 3"),
        (images(), labels(), {"test": (images(2), [0, 1])}, "class '2' has no example in test"),
        ([images(1), images(1, (9, 9))], [0, 1], {}, "need the same shape"),
        (np.array([None] * 4), [0, 1, 0, 1], {}, "hold Python objects"),
        (images().astype(complex), labels(), {}, "complex128; expected numbers"),
    ],
)
def test_messages(x: object, y: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        make_task(x, y, name="t", **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
