"""The files of a study (weights, data, checkpoints), named by their digests, beside its log."""

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
RESULT_ENTRIES = frozenset(("metrics", "curve", "files", "error", "seconds", "cpu_seconds"))


@final
class Files:
    """A folder of files named by the SHA-256 of their content.

    A file is written under a temporary name, synchronised with the disk and renamed, so it is
    complete or absent; only then does an event refer to it. Files to which no event refers can be
    deleted by :meth:`collect`. The content of a file is checked against its name whenever it is
    requested.

    Args:
        folder: where the files are; created by the first write.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def tasks(self) -> Path:
        """The folder of data that workers map into memory."""
        return self.folder / "tasks"

    def put(self, path: str | Path) -> str:
        """Move a finished file into the folder, from any disk, and return its digest."""
        path = self._on_this_disk(Path(path))
        with path.open("rb") as source:
            name = file_digest(source, "sha256").hexdigest()
            os.fsync(source.fileno())
        target = self._place(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
        sync_folder(target.parent)
        return name

    def _on_this_disk(self, path: Path) -> Path:
        """Return the file on this folder's disk, where it can be renamed, moving it if needed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if path.stat().st_dev == self.folder.stat().st_dev:
            return path
        near = self.temporary()
        shutil.move(path, near)
        return near

    def put_bytes(self, content: bytes) -> str:
        """Write bytes to a file, and return their digest."""
        name = sha256(content).hexdigest()
        if self.fault(name) is not None:
            replace_file(self._place(name), content)
        return name

    def get(self, digest: str) -> Path:
        """Return the file with a digest, after checking its content.

        Raises:
            StoreError: it is missing or damaged, or the text is not a digest.
        """
        fault = self.fault(digest)
        if fault is not None:
            raise StoreError(fault)
        return self._place(digest)

    def fault(self, digest: str) -> str | None:
        """Return why the file with a digest cannot be used, or ``None`` if it can."""
        if not DIGEST.fullmatch(digest):
            return (
                f"the log names a kept file {digest[:80]!r}; expected a SHA-256 of 64 hexadecimal "
                "digits, so the log is damaged, and no file was opened"
            )
        try:
            with self._place(digest).open("rb") as source:
                actual = file_digest(source, "sha256").hexdigest()
        except FileNotFoundError:
            return (
                f"the file {digest[:12]}… of this study is missing from {self.folder}; the folder "
                "belongs beside the store and has to be moved with it"
            )
        except OSError as error:
            return f"the file {digest[:12]}… in {self.folder} cannot be read: {error.strerror}"
        if actual == digest:
            return None
        return (
            f"the file {digest[:12]}… in {self.folder} is damaged: its content has another digest "
            f"({actual[:12]}…), so it is not used"
        )

    def set_aside(self, digest: str) -> Path | None:
        """Move a damaged file aside, and return its new path, or ``None`` if there is no file."""
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
        """Return the path of a new file on the same disk, to be written and then ``put``."""
        folder = self.folder / "temporary"
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        os.close(descriptor)
        return Path(name)

    def _place(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    # -- results of workers, until the driver has logged them -----------------------------------

    def result_path(self, study: str, number: int) -> Path:
        """Return the path where a worker leaves the outcome of a trial."""
        return self.folder / "results" / study / f"{number}.json"

    def leave_result(self, study: str, number: int, outcome: Mapping[str, Any]) -> None:
        """Write an outcome to a file, after a line with the digest of its text."""
        content = json.dumps(outcome).encode()
        digest = sha256(content).hexdigest().encode()
        replace_file(self.result_path(study, number), digest + b"\n" + content)

    def take_result(self, study: str, number: int, job: str) -> dict[str, Any] | None:
        """Return the outcome that a worker left for a job, if it is complete.

        An outcome of another job is ignored, and so is a damaged one.
        """
        try:
            digest, _, content = self.result_path(study, number).read_bytes().partition(b"\n")
            if sha256(content).hexdigest().encode() != digest:
                return None
            result = json.loads(content)
            if not isinstance(result, dict) or result.get("job") != job:
                return None
            if not RESULT_ENTRIES.issubset(result):
                return None
            check_entries(OUTCOME, result)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return result

    def begun(self, study: str) -> Path:
        """Return the path where a driver notes the trial that it runs in its own process."""
        return self.folder / "results" / study / "begun"

    def checkpoint(self, study: str, number: int | str) -> Path:
        """Return the path for the checkpoint of a running trial, or of a preparation."""
        folder = self.folder / "checkpoints" / study
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{number}.pt"

    def clear(self, study: str, number: int) -> None:
        """Delete the result and the checkpoint of a trial that is logged."""
        self.result_path(study, number).unlink(missing_ok=True)
        (self.folder / "checkpoints" / study / f"{number}.pt").unlink(missing_ok=True)

    def tidy(self, study: str, pending: Container[int] | None) -> None:
        """Delete what a killed run of a study left behind and nobody will read.

        These are incomplete files, and results and checkpoints of trials that are not pending.

        Args:
            study: its name; only its driver may call this.
            pending: numbers of its pending trials; ``None`` for a new study, which owns nothing
                that a deleted study of the same name left behind.
        """
        for kind in ("results", "checkpoints"):
            for path in (self.folder / kind / study).glob("*"):
                trial = int(path.stem) if path.stem.isdecimal() else None
                settled = trial is not None and pending is not None and trial not in pending
                if pending is None or settled or path.name.startswith("."):
                    path.unlink(missing_ok=True)

    def collect(self, referenced: Iterable[str]) -> int:
        """Delete every file whose digest is not referenced, and return their number.

        May only be called while no study of this store is running.
        """
        keep = set(referenced)
        deleted = 0
        for path in self.folder.glob("??/*"):
            if path.name not in keep and len(path.name) == 64:
                path.unlink(missing_ok=True)
                deleted += 1
        shutil.rmtree(self.folder / "temporary", ignore_errors=True)
        return deleted
