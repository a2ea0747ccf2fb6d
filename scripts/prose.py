"""The prose of a file: its text with everything else blanked, so that places stay the same.

Names of code within a sentence become :data:`CODE`, so that the words around them stay apart. The
prose of Markdown is what is not code. That of Python is docstrings without their examples,
comments, and other texts of three words or more, such as the messages of errors.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

__all__ = ["CODE", "prose_of"]

CODE = "\0"  # stands for each character of a name of code within a sentence

WORDS = re.compile(r"[A-Za-z]+(?:[ \-,]+[A-Za-z]+){2,}")  # a text that is read, and no name
PRAGMAS = re.compile(r"#\s*(?:noqa|type:|fmt:|pragma|ruff|mypy).*|#!.*")
NAMES = re.compile(r"``[^`]+``|`[^`]+`|:\w+:(?=`)|\b\w+(?:\.\w+)*\(\)|https?://\S+|<[^<>\s]+>")
QUOTES = re.compile(r"(?:\b[rbfRBF]{1,2})?(?:\"\"\"|'''|\")|(?<!\w)[rbfRBF]{0,2}'|'(?!\w)|\\n")


def prose_of(file: Path) -> str:
    """Return the text of a Markdown or Python file with everything but prose blanked."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        kept = _python(text)
    else:
        kept = _markdown(text)
    return NAMES.sub(lambda found: re.sub(r"\S", CODE, found[0]), kept)


def _blank(found: re.Match[str]) -> str:
    """Return spaces in place of what was found; lines stay lines."""
    return re.sub(r"[^\n]", " ", found[0])


def _markdown(text: str) -> str:
    text = re.sub(r"(?ms)^ *(```|~~~).*?^ *\1", _blank, text)
    text = re.sub(r"(?s)<!--.*?-->", _blank, text)
    return re.sub(r"(?<=\])\([^()\s]+\)", _blank, text)


def _python(text: str) -> str:
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    kept = [" " if character != "\n" else "\n" for character in text]
    for start, end, part in [*_texts(text, lines, starts), *_comments(text, starts)]:
        kept[start:end] = part
    return "".join(kept)


def _texts(text: str, lines: list[str], starts: list[int]) -> Iterator[tuple[int, int, str]]:
    """Yield docstrings, and other texts of some words, with their places."""
    tree = ast.parse(text)
    inner: set[int] = set()
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(id(first.value))
        if isinstance(node, ast.JoinedStr):
            inner |= {id(one) for one in ast.walk(node) if one is not node}
    for node in ast.walk(tree):
        if id(node) in inner or not _is_text(node):
            continue
        assert isinstance(node, (ast.Constant, ast.JoinedStr))
        assert node.end_lineno is not None and node.end_col_offset is not None
        start, end = (
            starts[line - 1] + len(lines[line - 1].encode()[:column].decode())
            for line, column in (
                (node.lineno, node.col_offset),
                (node.end_lineno, node.end_col_offset),
            )
        )
        part = text[start:end]
        if isinstance(node, ast.JoinedStr):
            part = re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", _blank, part)
        part = QUOTES.sub(_blank, part)
        part = re.sub(r"(?m)^\s*#.*$", _blank, part)
        if id(node) in docstrings:
            # An example goes to the next line that is blank.
            part = re.sub(r"(?m)^ *>>>.*\n(?:[^\n]*\S[^\n]*(?:\n|$))*", _blank, part)
            yield start, end, part
        elif WORDS.search(part):
            yield start, end, part


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _comments(text: str, starts: list[int]) -> Iterator[tuple[int, int, str]]:
    """Yield the comments, those that tools read left out, with their places."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not PRAGMAS.match(token.string):
            start = starts[token.start[0] - 1] + token.start[1]
            yield start, start + len(token.string), " " + token.string[1:]
