from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nasturtium.errors import TaskError
from nasturtium.task.decode_image import SUFFIXES
from nasturtium.task.load import load

Draw = Callable[[Path, int], None]
RNG = np.random.default_rng(0)


def grey(folder: Path, k: int) -> None:
    Image.fromarray(RNG.integers(0, 256, (8, 8)).astype(np.uint8)).save(folder / f"{k}.png")


def fill(
    root: Path, draw: Draw = grey, names: tuple[str, ...] = ("a", "b"), count: int = 6
) -> Path:
    for name in names:
        folder = root / name
        folder.mkdir(parents=True)
        for k in range(count):
            draw(folder, k)
    return root


def png(path: Path, width: int, height: int, *, depth: int = 8, colour: int = 0) -> None:
    """Write a PNG by hand: Pillow writes none of these."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    row = bytes(1 + min(width, 1000) * (3 if colour else 1) * depth // 8)
    rows = zlib.compress(row * min(height, 1000))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


@pytest.mark.parametrize(
    ("suffix", "kind"), [("png", "u2"), ("tif", "u2"), ("tiff", "i4"), ("tif", "f4")]
)
def test_deep_images_keep_their_values(tmp_path: Path, suffix: str, kind: str) -> None:
    low = 0 if kind == "u2" else -300
    values = {
        name: RNG.integers(low, 4096, (6, 8, 8)).astype(kind) for name in ("a", "b")
    }  # some of them below 256 throughout would do: the rule is one for the whole set
    values["a"][0] %= 200
    for name, images in values.items():
        (tmp_path / name).mkdir()
        for k, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{k}.{suffix}")
    task = load(tmp_path)
    assert task.train.inputs.dtype == np.float32
    (note,) = task.notes
    assert note.startswith("images of more than 8 bits a pixel keep their values, ")
    given = {image.astype(np.float32).tobytes() for images in values.values() for image in images}
    read = {image.tobytes() for split in task.splits.values() for image in split.inputs}
    assert read == given
    smaller = load(tmp_path, size=4)
    assert smaller.inputs == (1, 4, 4)
    assert smaller.train.inputs.max() > 256
    pairs = [(Image.fromarray(image), k % 2) for k, image in enumerate(values["a"])]
    assert load(pairs).train.inputs.dtype == np.float32  # a data set of pictures


def test_mixed_depths_are_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    Image.fromarray(np.full((8, 8), 400, np.uint16)).save(tmp_path / "b" / "deep.png")
    message = r"1 of the images in .* more than 8 bits a pixel \(b/deep.png\) and 12 have 8 \(a/0"
    with pytest.raises(TaskError, match=message):
        load(tmp_path)
    pairs = [(Image.new("I;16" if k == 3 else "L", (8, 8), k), k % 2) for k in range(20)]
    with pytest.raises(TaskError, match="train images differ in depth: image 0 has 8 bits"):
        load(pairs)


def test_losses_are_noted(tmp_path: Path) -> None:
    fill(tmp_path)
    Image.fromarray(np.zeros((10, 500), np.uint8)).save(tmp_path / "a" / "long.png")
    frames = [Image.new("L", (8, 8), k) for k in range(3)]
    frames[0].save(tmp_path / "a" / "film.gif", save_all=True, append_images=frames[1:])
    png(tmp_path / "a" / "fine.png", 8, 8, depth=16, colour=2)
    for k in range(3):
        (tmp_path / "a" / f"{k}.heic").write_bytes(b"x")
    (tmp_path / "b" / "more").mkdir()
    (tmp_path / "b" / "more" / "notes.txt").write_bytes(b"x")
    (tmp_path / "b" / ".hidden.png").write_bytes(b"x")
    grey(tmp_path, 0)
    assert load(tmp_path).notes == (
        "5 files were left out: .heic (3), .txt (1), images outside the folders of the classes (1)",
        "1 of 15 images resized to 8 x 8; 1 of them squashed or stretched, such as one of "
        "10 x 500: pad or crop them first if proportions matter",
        "1 images have several frames; the first of each is used",
        "1 images of 16 bits a colour are read with 8",
    )
    split = fill(tmp_path / "split" / "train").parent
    fill(split / "testing")
    assert "folders beside train were left out: testing" in load(split).notes


@pytest.mark.parametrize(
    "suffix", [".tif", ".gif", ".jfif", ".ppm", ".bmp", ".webp", ".jp2", ".tga"]
)
def test_kinds_of_files(tmp_path: Path, suffix: str) -> None:
    assert suffix in SUFFIXES

    def draw(folder: Path, k: int) -> None:
        image = Image.fromarray(RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8))
        image.save(folder / f"{k}{suffix.upper()}", format="JPEG" if suffix == ".jfif" else None)

    task = load(fill(tmp_path, draw))
    assert (task.inputs, task.notes) == ((3, 8, 8), ())


def test_formats_that_this_pillow_does_not_support(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.init()
    monkeypatch.setattr(
        Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k not in ("AVIF", "WEBP")}
    )
    fill(tmp_path, lambda folder, k: Image.new("L", (8, 8), k).save(folder / f"{k}.tga"))
    assert load(tmp_path).inputs == (1, 8, 8)


def test_a_folder_of_many_kinds_of_images(tmp_path: Path) -> None:
    fill(tmp_path, names=("a", "unicode ü"))
    size = (8, 8)
    modes = ("L", "RGB", "RGBA", "P", "CMYK", "1", "LA")
    for mode in modes:
        kind = "tif" if mode == "CMYK" else "png"
        Image.new(mode, size).save(tmp_path / "a" / f"{mode} with space.{kind}")
    (tmp_path / "a" / "nested").mkdir()
    grey(tmp_path / "a" / "nested", 9)
    os.symlink(tmp_path / "a" / "0.png", tmp_path / "a" / "link.png")
    os.symlink(tmp_path / "a", tmp_path / "linked class")
    (tmp_path / ".hidden").mkdir()
    task = load(tmp_path)
    assert task.class_names == ("a", "linked class", "unicode ü")
    assert sum(map(len, task.splits.values())) == 2 * (6 + len(modes) + 2) + 6
    assert (task.inputs, task.notes) == ((3, 8, 8), ())
    (tmp_path / "__MACOSX").mkdir()
    with pytest.raises(TaskError, match=r"__MACOSX has no images; expected \.png"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda a: png(a / "x.png", 10000, 10000), r"a/x.png \(more than 89,478,485 pixels\)"),
        (lambda a: png(a / "x.png", 60000, 60000), r"a/x.png \(more than 89,478,485 pixels\)"),
        (lambda a: (a / "x.png").write_bytes(b""), r"a/x.png \(it is empty\)"),
        # Some files of the system wait for ever when they are read; all say that they are empty.
        (lambda a: (a / "x.png").symlink_to("/proc/uptime"), r"a/x.png \((it is empty|File|No)"),
        (
            lambda a: (a / "x.png").write_bytes((a / "0.png").read_bytes()[:60]),
            r"a/x.png \(OSError: image file is truncated",
        ),
        (lambda a: os.symlink("nowhere", a / "x.png"), r"a/x.png \(FileNotFoundError: No such"),
        (  # Pillow would run Ghostscript
            lambda a: (a / "x.png").write_bytes(
                b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
            ),
            r"a/x.png \(not an image\)",
        ),
        (
            lambda a: Path(os.fsdecode(bytes(a) + b"/x\xff\n.png")).write_bytes(b"x"),
            r"a/x\\xff\\n.png \(not an image\)",
        ),
        (lambda a: os.symlink(a.parent, a.parent / "self"), "self is a link to a folder that"),
    ],
)
def test_files_that_are_not_images(
    tmp_path: Path, make: Callable[[Path], None], message: str, recwarn: pytest.WarningsRecorder
) -> None:
    make(fill(tmp_path) / "a")
    with pytest.raises(TaskError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
    if "skip_unreadable" in str(caught.value):
        task = load(tmp_path, skip_unreadable=True, cache=tmp_path / "cache")
        assert "1 unreadable images skipped: a/x" in task.notes[-1]
    assert not recwarn.list


def test_links_and_pipes_do_not_block_the_reader(tmp_path: Path) -> None:
    fill(tmp_path)
    os.symlink(tmp_path / "a", tmp_path / "a" / "loop")
    os.symlink(tmp_path / "x", tmp_path / "y")
    os.symlink(tmp_path / "y", tmp_path / "x")
    os.mkfifo(tmp_path / "b" / "pipe.png")
    task = load(tmp_path)
    assert task.notes == ("2 files were left out: links to folders (1), .png (1)",)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (b"caf\xe9", r"caf\xe9"),
        (b"two\nlines", r"two\nlines"),
        (b"x" * 250, "x" * 250),
        ("é".encode() * 120, "é" * 120),
    ],
)
def test_names_of_classes(tmp_path: Path, folder: bytes, name: str) -> None:
    root = tmp_path / os.fsdecode(folder)  # also as the name of the data
    fill(root, names=("a", os.fsdecode(folder)))
    task = load(root, cache=tmp_path / "cache")
    assert name in task.class_names
    assert len(task.name) <= 64
    assert task.name.isprintable()
    assert "\\" not in task.name  # a study is named after it
    assert (
        load(root, cache=tmp_path / "cache").fingerprint
        == task.fingerprint
        == load(root).fingerprint
    )


def test_a_size_of_zero(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"size=\(8, 0\) was given; expected a height and width"):
        load(fill(tmp_path), size=(8, 0))


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(folder: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    fill(tmp_path)
    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(TaskError, match=r"/a cannot be read \(PermissionError: Permission denied"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["é" * 300, "a/" + "é" * 300, "a\0b", "~nobody-here/x", "x\udce9"])
def test_texts_that_are_not_paths(text: str) -> None:
    with pytest.raises(TaskError, match=r"expected|is neither") as caught:
        load(text)
    str(caught.value).encode()  # can be printed
