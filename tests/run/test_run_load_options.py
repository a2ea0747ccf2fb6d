from __future__ import annotations

from typing import Any

import pytest

from nasturtium.errors import TaskError
from nasturtium.run.load_options import format_load_options, parse_load_options


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ("", {}),
        ("skip_unreadable=True", {"skip_unreadable": True}),
        ("layout=NHWC, missing='median'", {"layout": "NHWC", "missing": "median"}),
        ("size=(32, 48),fractions=(.1,.2)", {"size": (32, 48), "fractions": (0.1, 0.2)}),
        ({"size": [3, 4]}, {"size": (3, 4)}),
        ("size=32,", {"size": 32}),
    ],
)
def test_texts_and_mappings(given: Any, expected: dict[str, Any]) -> None:
    options = parse_load_options(given)
    assert options == expected
    assert parse_load_options(format_load_options(options)) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "skip",
            "load 'skip' is not understood at 'skip': every argument has a name; write e.g.",
        ),
        ("size=((1", "is not understood"),
        ("skip_unreadble=True", "no option 'skip_unreadble'; did you mean 'skip_unreadable'"),
        ("seed=3", "no option 'seed'; the options are fractions, layout"),
        ("skip_unreadable=yes", "skip_unreadable='yes'; expected True or False"),
        ("size=large", "size='large'; expected a height and width"),
        (["layout"], r"load=\['layout'\] is list; expected a mapping, or text such as"),
        ({"fractions": 0.2}, r"fractions=0.2; expected \(valid, test\)"),
    ],
)
def test_messages(given: Any, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        parse_load_options(given)
