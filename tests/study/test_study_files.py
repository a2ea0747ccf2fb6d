"""Files by digest: whole or absent, found again, collected when nothing refers to them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from nasturtium.errors import StoreError
from nasturtium.study.files import Files


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "study.db.files")


def test_a_file_is_moved_in_and_found_by_its_digest(files, tmp_path):
    source = tmp_path / "weights"
    source.write_bytes(b"w" * 3_000_000)
    digest = files.put(source)
    assert digest == sha256(b"w" * 3_000_000).hexdigest()
    assert not source.exists()
    assert files.get(digest).read_bytes() == b"w" * 3_000_000


def test_equal_content_is_kept_once(files, tmp_path):
    first = files.put_bytes(b"same")
    source = tmp_path / "again"
    source.write_bytes(b"same")
    assert files.put(source) == files.put_bytes(b"same") == first
    assert len(list(files.folder.glob("??/*"))) == 1


def test_a_temporary_file_is_on_the_same_disk(files):
    path = files.temporary()
    path.write_bytes(b"made here")
    assert path.stat().st_dev == files.folder.stat().st_dev
    assert files.get(files.put(path)).read_bytes() == b"made here"
    assert not path.exists()


def test_a_file_from_another_disk_is_moved_in(files, tmp_path):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    source = other / f"nasturtium-{os.getpid()}"
    source.write_bytes(b"from afar")
    assert files.get(files.put(source)).read_bytes() == b"from afar"
    assert not source.exists()
    assert list((files.folder / "temporary").iterdir()) == []


def test_a_missing_file_says_where_it_should_be(files):
    digest = files.put_bytes(b"kept")
    files.get(digest).unlink()
    with pytest.raises(StoreError) as raised:
        files.get(digest)
    assert str(raised.value) == (
        f"the file {digest[:12]}… of this study is missing from {files.folder}; the folder belongs "
        "beside the store and has to be moved with it"
    )


def test_what_nothing_refers_to_is_collected(files):
    kept, gone = files.put_bytes(b"kept"), files.put_bytes(b"gone")
    files.temporary().write_bytes(b"left by a killed worker")
    files.leave_result("study", 0, result())
    checkpoint = files.checkpoint("study", 1)
    checkpoint.write_bytes(b"running")
    assert files.collect([kept]) == 1
    assert files.get(kept).read_bytes() == b"kept"
    with pytest.raises(StoreError):
        files.get(gone)
    assert not (files.folder / "temporary").exists()
    assert files.take_result("study", 0, "job") == result() and checkpoint.exists()


def result(**changes):
    outcome = {"metrics": {"accuracy": 0.5}, "curve": [], "files": {}, "error": None}
    return {"job": "job", **outcome, "seconds": 1.0, "cpu_seconds": 1.0, **changes}


def test_a_result_waits_for_the_job_that_made_it(files):
    assert files.take_result("study", 3, "job") is None
    files.leave_result("study", 3, result())
    assert files.take_result("study", 3, "job") == result()
    assert files.take_result("study", 3, "another job") is None
    assert files.take_result("other study", 3, "job") is None
    path = files.result_path("study", 3)
    whole = path.read_bytes()
    for damaged in (
        b"{cut off",
        b"[]",
        b"",
        whole[:-1],
        whole.replace(b"0.5", b"0.9"),
        b"\xff" * 9,
    ):
        path.write_bytes(damaged)
        assert files.take_result("study", 3, "job") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"metrics": "x"},
        {"metrics": {"accuracy": "high"}},
        {"curve": {}},
        {"curve": ["x"]},
        {"files": {"weights": 5}},
        {"error": 5},
        {"seconds": None},
        {"cpu_seconds": float("inf")},
    ],
)
def test_a_result_that_is_none_is_dropped(files, wrong):
    files.leave_result("study", 3, result(**wrong))
    assert files.take_result("study", 3, "job") is None
    outcome = result()
    for name in wrong:
        del outcome[name]
    files.leave_result("study", 3, outcome)
    assert files.take_result("study", 3, "job") is None


def test_content_is_compared_with_its_name_whenever_it_is_read(files):
    digest = files.put_bytes(b"weights" * 100)
    path = files.get(digest)
    path.write_bytes(path.read_bytes().replace(b"w", b"W", 1))
    with pytest.raises(StoreError, match="is damaged: its content has another digest"):
        files.get(digest)
    assert files.put_bytes(b"weights" * 100) == digest  # mends it
    assert files.get(digest).read_bytes() == b"weights" * 100
    path.write_bytes(b"")
    aside = files.set_aside(digest)
    assert aside is not None and aside.read_bytes() == b"" and not path.exists()
    with pytest.raises(StoreError, match="is missing"):
        files.get(digest)


@pytest.mark.parametrize("name", ["/etc/hostname", "../" * 9 + "etc/hostname", "", "A" * 64, "ab"])
def test_a_name_that_is_no_digest_opens_no_file(files, name):
    with pytest.raises(StoreError, match="expected a SHA-256 of 64 hexadecimal digits"):
        files.get(name)


def test_clearing_drops_what_a_logged_trial_left(files):
    files.leave_result("study", 1, result())
    files.checkpoint("study", 1).write_bytes(b"state")
    files.checkpoint("study", 2).write_bytes(b"state")
    files.clear("study", 1)
    files.clear("study", 1)
    assert files.take_result("study", 1, "job") is None
    assert not files.checkpoint("study", 1).exists() and files.checkpoint("study", 2).exists()
