"""Large things of a study (weights, data, checkpoints), kept by digest beside its log."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Container, Iterable, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, final

from nasturtium.atomic_write import replace_file, sync_folder
from nasturtium.errors import StoreError
from nasturtium.study.event_schema import OUTCOME, check_entries

__all__ = ["Files"]

DIGEST = re.compile("[0-9a-f]{64}")
LEFT = frozenset(("metrics", "curve", "files", "error", "seconds", "cpu_seconds"))


@final
class Files:
    """A folder of files named by the SHA-256 of their content.

    A file is written under a temporary name, synchronised and renamed, so it is whole or absent;
    only then does an event refer to it. What no event refers to is collected. Its content is
    compared with its name whenever it is asked for.

    Args:
        folder: where; made when first written to.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def tasks(self) -> Path:
        """The folder of data that are mapped."""
        return self.folder / "tasks"

    def put(self, path: str | Path) -> str:
        """Move a finished file in, from any disk, and return its digest."""
        path = self._near(Path(path))
        with path.open("rb") as source:
            name = file_digest(source, "sha256").hexdigest()
            os.fsync(source.fileno())
        target = self._place(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
        sync_folder(target.parent)
        return name

    def _near(self, path: Path) -> Path:
        """The file on this folder's disk, where it can be renamed: moved there if need be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if path.stat().st_dev == self.folder.stat().st_dev:
            return path
        near = self.temporary()
        shutil.move(path, near)
        return near

    def put_bytes(self, content: bytes) -> str:
        """Keep some bytes, and return their digest."""
        name = sha256(content).hexdigest()
        if self.fault(name) is not None:
            replace_file(self._place(name), content)
        return name

    def get(self, digest: str) -> Path:
        """The file of that digest, whose content was compared with it just now.

        Raises:
            StoreError: it is not there, is damaged, or the text is no digest.
        """
        fault = self.fault(digest)
        if fault is not None:
            raise StoreError(fault)
        return self._place(digest)

    def fault(self, digest: str) -> str | None:
        """Why the file of that digest cannot be used, or ``None`` if it can."""
        if not DIGEST.fullmatch(digest):
            return (
                f"the log names a kept file {digest[:80]!r}; expected a SHA-256 of 64 hexadecimal "
                "digits, so the log is damaged, and no file was opened"
            )
        try:
            with self._place(digest).open("rb") as source:
                found = file_digest(source, "sha256").hexdigest()
        except FileNotFoundError:
            return (
                f"the file {digest[:12]}… of this study is missing from {self.folder}; the folder "
                "belongs beside the store and has to be moved with it"
            )
        except OSError as error:
            return f"the file {digest[:12]}… in {self.folder} cannot be read: {error.strerror}"
        if found == digest:
            return None
        return (
            f"the file {digest[:12]}… in {self.folder} is damaged: its content has another digest "
            f"({found[:12]}…), so it is not used"
        )

    def set_aside(self, digest: str) -> Path | None:
        """Move a damaged file aside; returns where it is now, or ``None`` if there is none."""
        place = self._place(digest)
        if not DIGEST.fullmatch(digest) or not place.exists():
            return None
        aside = self.folder / "damaged" / digest
        aside.parent.mkdir(parents=True, exist_ok=True)
        count = 0
        while aside.exists():
            count += 1
            aside = aside.with_name(f"{digest}.{count}")
        os.replace(place, aside)
        return aside

    def temporary(self) -> Path:
        """A name of a new file on the same disk, to be written and then ``put``."""
        folder = self.folder / "temporary"
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        os.close(descriptor)
        return Path(name)

    def _place(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    # -- results that workers finished, until the driver logged them ----------------------------

    def result_path(self, study: str, number: int) -> Path:
        """Where the worker leaves the outcome of a trial."""
        return self.folder / "results" / study / f"{number}.json"

    def leave_result(self, study: str, number: int, outcome: Mapping[str, Any]) -> None:
        """Keep an outcome until it is logged, after a line with the digest of its text."""
        content = json.dumps(outcome).encode()
        whole = sha256(content).hexdigest().encode() + b"\n" + content
        replace_file(self.result_path(study, number), whole)

    def take_result(self, study: str, number: int, job: str) -> dict[str, Any] | None:
        """The outcome that a worker left for a job, if there is one that is whole.

        Another job's is dropped, and so is one that is damaged.
        """
        try:
            digest, _, content = self.result_path(study, number).read_bytes().partition(b"\n")
            if sha256(content).hexdigest().encode() != digest:
                return None
            left = json.loads(content)
            if not isinstance(left, dict) or left.get("job") != job:
                return None
            if not LEFT.issubset(left):
                return None
            check_entries(OUTCOME, left)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return left

    def begun(self, study: str) -> Path:
        """Where a driver notes the trial that it runs in its own process."""
        return self.folder / "results" / study / "begun"

    def checkpoint(self, study: str, number: int | str) -> Path:
        """Where a running trial, or a part that prepares itself, keeps its checkpoint."""
        folder = self.folder / "checkpoints" / study
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{number}.pt"

    def clear(self, study: str, number: int) -> None:
        """Drop what a logged trial left behind: its result and its checkpoint."""
        self.result_path(study, number).unlink(missing_ok=True)
        (self.folder / "checkpoints" / study / f"{number}.pt").unlink(missing_ok=True)

    def tidy(self, study: str, pending: Container[int] | None) -> None:
        """Drop what a killed run of a study left behind and nobody will ask for.

        Half-written files, and results and checkpoints of trials that are not pending.

        Args:
            study: its name; only its driver may call this.
            pending: numbers of its pending trials; ``None`` for a study that is new, to which
                nothing belongs that a removed one of its name left.
        """
        for kind in ("results", "checkpoints"):
            for path in (self.folder / kind / study).glob("*"):
                trial = int(path.stem) if path.stem.isdecimal() else None
                settled = trial is not None and pending is not None and trial not in pending
                if pending is None or settled or path.name.startswith("."):
                    path.unlink(missing_ok=True)

    def collect(self, referenced: Iterable[str]) -> int:
        """Delete every file by digest that is not referenced; returns how many.

        Only to be called while no study of this store is running.
        """
        keep = set(referenced)
        gone = 0
        for path in self.folder.glob("??/*"):
            if path.name not in keep and len(path.name) == 64:
                path.unlink(missing_ok=True)
                gone += 1
        shutil.rmtree(self.folder / "temporary", ignore_errors=True)
        return gone
