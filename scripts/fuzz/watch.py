"""One case, and what watches over it: nothing foreign runs, nothing outside its folder changes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import CodeType
from typing import IO, Any, NamedTuple
from weakref import WeakSet

from nasturtium.cli import main
from nasturtium.errors import NasturtiumError
from nasturtium.study.stores.database import Database

ROOT = Path(__file__).resolve().parents[2]
MARKER = "PWNED"  # a file that hostile payloads make
SECRET = "s3cret-of-nobody"  # the password of every address
PROBLEMS = ("traceback", "hang", "program", "damaged")


class Problem(BaseException):
    """An event that must never happen; no handler of ``Exception`` may hide it.

    Args:
        what: one of ``PROBLEMS``.
        where: the same for failures that are alike.
        detail: for people.
    """

    def __init__(self, what: str, where: str, detail: str = "") -> None:
        super().__init__(what, where, detail)
        self.what = what
        self.where = where
        self.detail = detail


class Answer(NamedTuple):
    """The answer of a command."""

    code: int
    out: str
    err: str


# -- what must not run ----------------------------------------------------------------------------

STARTS = frozenset(
    (
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "pty.spawn",
        "os.startfile",
    )
)
# Programs that the library starts itself: git says which commit the code is of, ps whether a
# process of a lease lives, nvidia-smi what power is drawn, and uname (from ``platform``) which
# machine this is.
PROGRAMS = frozenset(("git", "ps", "nvidia-smi", "uname"))
# Events that change files, and which of their arguments are paths.
CHANGES = {
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.utime": (0,),
    "shutil.rmtree": (0,),
    "shutil.move": (0, 1),
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """An audit hook; it cannot be removed, and checks only while it is active."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.found: Problem | None = None
        places = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib")]
        places += [sys.prefix, sys.base_prefix, str(ROOT / "src"), str(ROOT / "scripts")]
        import nasturtium

        places.append(str(Path(nasturtium.__file__).parent))
        self.own = tuple({os.path.realpath(place) + os.sep for place in places})
        self.own += tuple({place.rstrip(os.sep) + os.sep for place in places})
        self.databases: WeakSet[Database] = WeakSet()
        original = Database.open

        def noted(database: Database) -> None:
            self.databases.add(database)
            original(database)

        Database.open = noted  # type: ignore[method-assign]
        sys.addaudithook(self.hear)

    def end_process(self) -> None:
        """Close what the end of a command's process would close."""
        for database in list(self.databases):
            with contextlib.suppress(Exception):
                database.close()
        self.databases.clear()

    @contextlib.contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        self.folder, self.found = os.path.realpath(folder), None
        try:
            yield
        finally:
            self.folder = None

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """Refuse what must not happen before it happens, and remember it."""
        if self.folder is None:
            return
        told = self.wrong(event, given)
        if told is not None:
            self.found = Problem(
                "program", f"{event} {told}", "".join(traceback.format_stack(None, 12))
            )
            raise self.found

    def wrong(self, event: str, given: tuple[Any, ...]) -> str | None:
        if event in STARTS:
            words = given[1] if event == "subprocess.Popen" else given[:1]
            first = words if isinstance(words, (str, bytes)) else (*words, "")[0]
            name = os.path.basename(os.fsdecode(first) if first else "")
            return None if name in PROGRAMS else repr(given)[:200]
        if event == "exec":
            # The source of generated code (dataclasses, named tuples) has no file.
            code = given[0]
            file = code.co_filename if isinstance(code, CodeType) else "<"
            own = file.startswith("<") or file.startswith(self.own)
            return None if own or (not os.path.isabs(file) and "/" not in file) else repr(file)
        if event == "socket.connect":
            address = given[1]
            local = not isinstance(address, tuple) or address[0] in (
                "127.0.0.1",
                "::1",
                "localhost",
            )
            return None if local else repr(address)
        if event == "open":
            path, _, flags = given
            if isinstance(path, int) or not (flags or 0) & WRITING:
                return None
            return self.outside(path)
        if event == "os.mkdir" and os.path.isdir(given[0]):
            return None  # it fails
        if event in CHANGES:
            for place in CHANGES[event]:
                if isinstance(given[place], int):
                    continue
                if told := self.outside(given[place], last=False):
                    return told
        return None

    def outside(self, path: Any, last: bool = True) -> str | None:
        """Return a path outside the case's folder; without ``last``, a link itself may change."""
        text = os.fsdecode(path)
        if last and text in ("/dev/null", "/dev/full"):  # which keep nothing
            return None
        if text.endswith(".pyc") or "__pycache__" in text or "/.cache/" in text:
            return None  # of modules that are imported, which "exec" looks at
        assert self.folder is not None
        if last:
            full = os.path.realpath(text)
        else:
            head, tail = os.path.split(os.path.abspath(text))
            full = os.path.join(os.path.realpath(head), tail)
        cache = os.environ.get("TORCHINDUCTOR_CACHE_DIR", self.folder)
        inside = any(full == one or full.startswith(one + os.sep) for one in (self.folder, cache))
        return None if inside else repr(text)


# -- a case ---------------------------------------------------------------------------------------


class Case:
    """One hostile input, in its own folder.

    Args:
        kind: of the case.
        number: of the case.
        seed: of the run.
        folder: the current one of this process, within a folder that is the case's own.
        material: sound studies, data and files, not to be changed.
        guard: watches.
    """

    def __init__(
        self, kind: str, number: int, seed: int, folder: Path, material: Path, guard: Guard
    ) -> None:
        self.kind = kind
        self.number = number
        self.rng = Random(f"{seed} {kind} {number}")
        self.folder = folder
        self.around = folder.parents[2] if folder != material else folder
        self.material = material
        self.guard = guard
        self.told: list[str] = []  # what was done, for people
        self.trace: IO[str] | None = None

    def note(self, *words: object) -> None:
        """Tell what is done, also where it is the last that this process does."""
        self.told.append(" ".join(str(word)[:300] for word in words))
        if self.trace is not None:
            line = self.told[-1].encode("utf-8", "backslashreplace").decode()
            print(line, file=self.trace, flush=True)

    def command(self, *words: str) -> Answer:
        """Give a command, as a shell would.

        Raises:
            Problem: it does not end with 0, or with one line and 2.
        """
        self.note("$ nasturtium", *(repr(word) for word in words))
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict", write_through=True)
        err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
        kept = sys.stdout, sys.stderr, sys.argv
        code: Any = 0
        with self._watched():
            sys.stdout, sys.stderr, sys.argv = out, err, ["nasturtium", *words]
            try:
                main(list(words))
            except SystemExit as ended:
                code = ended.code or 0
            finally:
                sys.stdout, sys.stderr, sys.argv = kept
                self.guard.end_process()
        told = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]  # type: ignore[attr-defined]
        answer = Answer(code, *told)
        where = f"{next(iter(words), '')}: exit {code!r}"
        if code not in (0, 2):
            raise Problem("traceback", where, answer.err[-600:])
        lines = [line for line in answer.err.splitlines() if line.startswith("error: ")]
        usage = answer.err.startswith("Usage: ") or not words
        if code == 2 and not usage and (len(lines) != 1 or "Traceback" in answer.err):
            raise Problem("traceback", f"{where} with {len(lines)} lines", answer.err[-600:])
        if SECRET in answer.out + answer.err:
            raise Problem("program", f"{where}: a password is printed", answer.out + answer.err)
        return answer

    def call(self, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Call a function of the library; return its result, or :data:`REFUSED`."""
        with self._watched():
            try:
                return function(*given, **named)
            except NasturtiumError as error:
                text = str(error)
                if not text.strip():
                    raise Problem("traceback", f"{function.__name__}: an empty message") from error
                self.note("refused:", text)
                return REFUSED

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            with self.guard.watching(self.around):
                yield
        except (Problem, SystemExit):
            raise
        except MemoryError as error:
            raise Problem("traceback", _place(error), _text(error)) from None
        except BaseException as error:
            raise self.guard.found or Problem("traceback", _place(error), _text(error)) from None
        if self.guard.found is not None:
            raise self.guard.found
        if os.path.lexists(self.folder / MARKER):
            raise Problem("program", "a payload made its file", "")


class Refused:
    """The result of a call that raised an error of the library."""


REFUSED = Refused()


def _place(error: BaseException) -> str:
    """Return the kind of an error and its place in the library."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if "nasturtium/" in one.filename.replace(os.sep, "/")]
    last = (ours or frames)[-1]
    file = last.filename.rpartition("nasturtium/")[2]
    return f"{type(error).__name__} at {file}:{last.lineno} {last.name}"


def _text(error: BaseException) -> str:
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return "".join(lines)[-1800:]


def temporary_folder() -> Path:
    """Make a new folder, in memory where there is such a file system."""
    fast = Path("/dev/shm")
    place = fast if fast.is_dir() and os.access(fast, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="nasturtium-fuzz-", dir=place))
