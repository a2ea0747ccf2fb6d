"""``scripts/check_prose.py``: prose is told from code, and each check finds its faults in place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prose import CODE, prose_of

check_prose = pytest.importorskip("check_prose", reason="needs proselint", exc_type=ImportError)

PYTHON = '''#!/usr/bin/env python3
"""Numbers that are drawn anew.

>>> lest = 1
>>> print(lest)
lest

What is free is taken.
"""

import lest  # noqa: lest

lest = "lest"  # a comment on what is `lest`


def function(x):
    """The first.

    Args:
        x: it goes on
            with x.
    """
    raise ValueError(
        f"the network {x!r:>{lest}} was built "
        f'anew, so "lest" isn\\'t {lest("anew")} kept'
    )


class Kept:
    """A thing."""

    @property
    def full(self):
        """Whether it is full."""
'''
MARKDOWN = """# What is trusted

Text, `lest`, and [a link](https://lest.org/anew),
drawn anew.

```sh
lest
```

Who proposes is chosen. What is it? Reciept.
"""


def test_code_is_blanked_and_prose_stays_in_place(tmp_path: Path) -> None:
    for name, text in (("a.py", PYTHON), ("a.md", MARKDOWN)):
        (tmp_path / name).write_text(text)
        prose = prose_of(tmp_path / name)
        assert len(prose) == len(text)
        assert all(
            kept in (" ", CODE, "\n") or kept == given
            for kept, given in zip(prose, text, strict=True)
        )
        assert [line.count("\n") for line in prose] == [line.count("\n") for line in text]
        # What is left of the word: in a message, within quotation marks.
        assert prose.count("lest") == (1 if name == "a.py" else 0)


def _found(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert check_prose.main(words) == 1
    return capsys.readouterr().out.splitlines()


def test_faults_are_found_in_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(PYTHON)
    (tmp_path / "a.md").write_text(MARKDOWN)
    *lines, summary = _found(capsys, "a.py", "a.md")
    # Without the advice.
    found = [
        re.sub(r"(: idiom: '[^']*|: docstring: '\w+|: spelling: \w+).*", r"\1", x) for x in lines
    ]
    assert found == [
        "a.md:4: idiom: 'anew",
        "a.md:10: idiom: 'Who proposes",
        "a.md:10: spelling: Reciept",
        "a.py:2: idiom: 'anew",
        "a.py:8: idiom: 'What is free is",
        "a.py:17: docstring: 'The",
        "a.py:20: idiom: 'goes on with",
        "a.py:25: idiom: 'anew",
        "a.py:25: idiom: 'lest",
    ]
    assert summary == "9 in 2 files: docstring 1, idiom 7, spelling 1"


def test_a_line_can_be_ignored_and_numbers_are_by_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.md").write_text("Drawn anew. <!-- prose: ignore -->\n\nFor the good.\n")
    assert check_prose.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "b" / "b.md").write_text("Drawn anew.\nTold.\n")
    lines = _found(capsys, "--counts", str(tmp_path))
    assert lines == [f"    2 {tmp_path / 'b' / 'b.md'}", "2 in 1 files: idiom 2"]
    with pytest.raises(SystemExit, match=r"error: there is no .*absent"):
        check_prose.main([str(tmp_path / "absent")])


def test_proselint_is_asked_about_style_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text('It is "very" good...\n\nA handed over at 5 pm. Thus, it was for ever.\n')
    found = check_prose.findings_in([file])
    assert [(one.line, one.rule, one.text.partition(":")[0]) for one in found] == [
        (3, "idiom", "'Thus'"),
        (3, "style", "archaism"),
    ]


def test_each_idiom_is_an_expression_with_advice() -> None:
    idioms = check_prose.idioms_in(check_prose.IDIOMS)
    assert len(idioms) > 30
    assert all(advice for _, advice in idioms)
