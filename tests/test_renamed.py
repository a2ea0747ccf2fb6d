"""Old names are refused, and the messages give the new ones."""

from __future__ import annotations

import inspect

import pytest

from nasturtium import renamed
from nasturtium.renamed import RENAMED, Renamed

ENTRIES = {kind: [one for one in RENAMED if one.kind == kind] for kind in {e.kind for e in RENAMED}}


def named(entries: list[Renamed]) -> list[str]:
    return [f"{entry.owner}.{entry.old}" for entry in entries]


def test_every_entry_is_there_once() -> None:
    assert len({(kind, owner, old) for kind, owner, old, _ in RENAMED}) == len(RENAMED)


@pytest.mark.parametrize("entry", ENTRIES["option"], ids=named(ENTRIES["option"]))
def test_old_options_have_a_message_with_the_new_one(entry: Renamed) -> None:
    assert renamed.option(entry.old) == f"`{entry.old}` is now `{entry.new}`"
    assert renamed.option(f"{entry.old}=params<9k") == f"`{entry.old}` is now `{entry.new}`"


@pytest.mark.parametrize("ask", [renamed.option, renamed.public])
def test_other_names_have_no_message(ask: object) -> None:
    assert callable(ask) and ask("--nonsense") is None


def test_a_decorated_function_keeps_its_signature() -> None:
    @renamed.with_new_arguments("search")
    def search(data: object, *, constraints: tuple[str, ...] = ()) -> tuple[str, ...]:
        return constraints

    assert list(inspect.signature(search).parameters) == ["data", "constraints"]
    assert search("digits", constraints=("params<50k",)) == ("params<50k",)
    with pytest.raises(TypeError, match="search: `within` is now `constraints`"):
        search("digits", within=("params<50k",))  # type: ignore[call-arg]


def test_a_subclass_that_defines_an_old_method_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Own defines `fold`, which is now `update\(state, hist"):
        renamed.refuse_hooks("Strategy", {"fold": None}, "Own")
    renamed.refuse_hooks("Strategy", {"update": None}, "Own")
