"""Altered weights, checkpoints, results of workers, data that are mapped, and what was prepared."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import zipfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from fuzz.hostile import Payload, alter_bytes, alter_json
from fuzz.material import copy_files, copy_store, trained
from fuzz.watch import REFUSED, Case, Problem
from nasturtium.study.files import Files
from nasturtium.task.task import Task
from nasturtium.train.checkpoint import Checkpoint
from nasturtium.train.weights import load_weights

__all__ = ["run_checkpoints", "run_weights"]


def _kept(case: Case) -> str:
    """Return the digest of weights that are stored with the study."""
    names = json.loads((case.material / "kept.json").read_text())
    return str(case.rng.choice(names))


def _altered(case: Case, content: bytes) -> bytes:
    """Other bytes than these."""
    while True:
        altered, told = alter_bytes(case.rng, content)
        if case.rng.random() < 0.2:
            altered, again = alter_bytes(case.rng, altered)
            told += f"; {again}"
        if altered != content:
            case.note(told)
            return altered


# -- weights --------------------------------------------------------------------------------------


def run_weights(case: Case) -> str:
    """Read altered weights; says whether they were accepted."""
    digest, drawn = _kept(case), case.rng.random()
    place = Path("s.db.files", digest[:2], digest)
    content = (case.material / place).read_bytes()
    altered = _made(case.rng, content) if drawn < 0.3 else _altered(case, content)
    place.parent.mkdir(parents=True)
    place.write_bytes(altered)
    if case.call(Files("s.db.files").get, digest) is not REFUSED and altered != content:
        raise Problem("damaged", "Files.get gives a file that is altered")
    if case.rng.random() < 0.03:
        return _commands(case, place, altered)
    found = case.call(load_weights, place)
    if found is not REFUSED:
        _small(found, len(altered))
    return "refused" if found is REFUSED else "accepted"


def _small(state: Any, most: int) -> None:
    """Check that weights take no more memory than their file."""
    held = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if held > 8 * most + 1000:
        raise Problem("damaged", "weights are larger than their file", f"{held} of {most} bytes")


def _made(rng: Random, content: bytes) -> bytes:
    """Return the bytes of another file, or sound bytes around altered ones."""
    drawn = rng.random()
    if drawn < 0.5:
        return _repacked(rng, content)
    if drawn < 0.6:
        return _saved(Payload())
    if drawn < 0.7:
        return _saved({"weight": Payload(), "x": torch.zeros(2)})
    strange: Any = rng.choice(
        [
            {},
            [],
            3,
            None,
            {"a": 1},
            {1: torch.zeros(1)},
            {"a": torch.zeros(1).to_sparse()},
            {"a": torch.zeros(1).expand(10**6)},
            {"a": torch.zeros(3, device="meta")},
            {"a": torch.full((3,), float("nan"))},
            {"a": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8)},
            {"a": torch.zeros(2, dtype=torch.complex64)},
            torch.nn.Linear(1, 1),
            {"a" * 10_000: torch.zeros(0)},
        ]
    )
    return _saved(strange)


def _saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _repacked(rng: Random, content: bytes) -> bytes:
    """Return the archive with one entry altered and every check sum right."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        entries = [(info.filename, old.read(info)) for info in old.infolist()]
    packed = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    place = rng.randrange(len(entries)) if rng.random() < 0.5 else 0  # the pickle is the first
    name, body = entries[place]
    drawn = rng.random()
    if drawn < 0.8:
        entries[place] = name, alter_bytes(rng, body)[0]
    elif drawn < 0.9:
        entries[place] = name.replace("/", rng.choice(["//", "/../", "\\"])), body
    else:
        del entries[place]
    with zipfile.ZipFile(file, "w", packed) as new:
        for entry in entries:
            new.writestr(*entry)
    return file.getvalue()


def _commands(case: Case, place: Path, altered: bytes) -> str:
    """Finish and export do not use weights that are not those of the log."""
    copy_store(case)
    copy_files(case)
    shutil.copyfile(case.material / "d.npz", "d.npz")
    place.write_bytes(altered)
    if case.rng.random() < 0.1:
        answer = case.command("export", "s.db:s", "net.pt2", "--json")
    else:
        words = ("finish", "s.db:s", "--recipe", "epochs=1", "-q", "--json")
        answer = case.command(*words)
    if answer.code == 0 and json.loads(answer.out)["reused"] and place.read_bytes() == altered:
        digest = place.name
        if digest in _finished(case.material / "s.db"):
            raise Problem("damaged", "a command uses weights that are altered", answer.out)
    return "refused" if answer.code else "accepted"


@cache
def _finished(path: Path) -> str:
    """Return the notes of the study."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT body FROM event WHERE kind = 'note' AND study = 's'")
        return "\n".join(body for (body,) in rows)


# -- checkpoints ----------------------------------------------------------------------------------


def run_checkpoints(case: Case) -> str:
    """Read an altered checkpoint, result, task or prepared file; says whether it was accepted."""
    drawn = case.rng.random()
    if drawn < 0.5:
        return _checkpoint(case)
    if drawn < 0.75:
        return _result(case)
    if drawn < 0.97:
        return _mapped(case)
    return _resumed(case)


@cache
def _sound(path: Path) -> tuple[Checkpoint, bytes]:
    found = Checkpoint._read_any(path)
    assert found is not None
    return found, path.read_bytes()


def _spoiled(case: Case, sound: Checkpoint, raw: bytes) -> tuple[bytes, bool]:
    """Return the bytes of an altered checkpoint, and whether its digest reveals that."""
    rng = case.rng
    if rng.random() < 0.5:
        return _altered(case, raw), True
    parts: dict[str, Any] = {**vars(sound), "curve": list(sound.curve), "state": dict(sound.state)}
    if rng.random() < 0.5:
        content = _repacked(rng, raw[32:])
        case.note("repacked")
    else:
        key = rng.choice([*parts, "x"])
        strange: Any = rng.choice(
            [None, 3, -1, "x", [], {}, [1], torch.zeros(3), Payload(), 1e400, True, 2**70, [[]]]
        )
        if key == "state" and rng.random() < 0.8:
            inner = rng.choice(list(parts["state"]))
            parts["state"][inner] = strange
            key = f"state.{inner}"
        else:
            parts[key] = strange
        case.note(f"{key} is {strange!r:.60}")
        content = _saved(parts)
    return hashlib.sha256(content).digest() + content, False


def _checkpoint(case: Case) -> str:
    sound, raw = _sound(case.material / "checkpoint.pt")
    altered, told = _spoiled(case, sound, raw)
    path = Path("checkpoint.pt")
    path.write_bytes(altered)
    if case.rng.random() < 0.1:  # a training that finds it
        task = _task(case.material / "task")
        fitted = case.call(trained, path, task)
        if told and fitted is not REFUSED and (fitted.resumed or not _as_before(case, fitted)):
            raise Problem("damaged", "a training continues from an altered checkpoint")
        return "refused" if fitted is REFUSED or not fitted.resumed else "accepted"
    found = case.call(Checkpoint.read, path, sound.identity)
    if found is not None and found is not REFUSED and told:
        raise Problem("damaged", "an altered checkpoint is read")
    return "refused" if found is None or found is REFUSED else "accepted"


@cache
def _task(path: Path) -> Task:
    return Task.load(path)


def _as_before(case: Case, fitted: Any) -> bool:
    """Return whether a training gave the weights of an undisturbed one."""
    known = load_weights(case.material / "trained.pt")
    state = fitted.model.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in known.items())


OUTCOME = {
    "job": "j",
    "metrics": {"accuracy": 0.5, "loss": 1.0},
    "curve": [{"epoch": 1.0, "accuracy": 0.5}],
    "files": {"weights": "0" * 64},
    "error": None,
    "seconds": 1.0,
    "cpu_seconds": 1.0,
    "epochs": 1.0,
    "stopped": False,
}


def _result(case: Case) -> str:
    files = Files("s.db.files")
    files.leave_result("s", 5, OUTCOME)
    path = files.result_path("s", 5)
    raw = path.read_bytes()
    told = case.rng.random() < 0.5
    if told:
        altered = _altered(case, raw)
    else:
        body, how = alter_json(case.rng, json.dumps(OUTCOME), 2)
        case.note(how, "; now", body[:300])
        content = body.encode("utf-8", "surrogatepass")
        altered = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
    path.write_bytes(altered)
    found = case.call(files.take_result, "s", 5, "j")
    if told and found is not None and found is not REFUSED and found != OUTCOME:
        raise Problem("damaged", "an altered result is taken")
    return "refused" if found is None or found is REFUSED else "accepted"


def _mapped(case: Case) -> str:
    shutil.copytree(case.material / "task", "task")
    path = case.rng.choice(sorted(Path("task").iterdir()))
    path.write_bytes(_altered(case, path.read_bytes()))
    case.note(path)
    found = case.call(Task.load, "task")
    if found is REFUSED:
        return "refused"
    sound = _task(case.material / "task")
    for part in ("train", "valid", "test"):
        for kind in ("inputs", "labels"):
            new, old = (getattr(getattr(task, part), kind) for task in (found, sound))
            if not np.array_equal(new, old):
                raise Problem("damaged", "an altered task is used", f"{path}: {part} {kind}")
    return "accepted"


def _resumed(case: Case) -> str:
    """Resume a killed search with altered files of its worker."""
    copy_store(case)
    copy_files(case)
    shutil.copyfile(case.material / "d.npz", "d.npz")
    with sqlite3.connect("s.db") as connection:
        last = connection.execute(
            "SELECT max(number) FROM event WHERE study = 's' AND kind = 'asked'"
        ).fetchone()[0]
        body = connection.execute(
            "SELECT body FROM event WHERE study = 's' AND number = ?", (last,)
        ).fetchone()[0]
        for table in ("event", "snapshot"):
            connection.execute(f"DELETE FROM {table} WHERE study = 's' AND number > ?", (last,))
    number = json.loads(body)["n"]
    sound, raw = _sound(case.material / "checkpoint.pt")
    path = Path("s.db.files/checkpoints/s", f"{number}.pt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_spoiled(case, sound, raw)[0])
    path = Path("s.db.files/results/s", f"{number}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    content = alter_json(case.rng, json.dumps(OUTCOME))[0].encode("utf-8", "surrogatepass")
    path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    answer = case.command("resume", "s.db:s", "-q", "--executor", "here")
    return "refused" if answer.code else "accepted"
