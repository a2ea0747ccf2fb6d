"""Studies whose manifest has the older format 2 are read and resumed under the new names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nasturtium as nas
from nasturtium.run.open_study import open_study
from nasturtium.study.event import Event

CALL: dict[str, Any] = {
    "space": "nasbench201(cells=1,channels=4)",
    "recipe": "epochs=1",
    "strategy": "portfolio(stop_below=0.2)",
    "constraints": ("params<9k",),
    "executor": "here",
    "numerics": "threads=1",
    "control": 0.0,
    "name": "s",
}


def older(manifest: Any) -> dict[str, Any]:
    """Return a manifest as the version before wrote it."""
    old = {**manifest, "format": 2, "call": dict(manifest["call"])}
    for entries in (old, old["call"]):
        entries["within"] = entries.pop("constraints")
    strategy = dict(old["strategy"])
    strategy |= {"hope": strategy.pop("stop_below"), "doubt": strategy.pop("min_skill")}
    old["call"]["strategy"] = "portfolio(hope=0.2)"
    return {**old, "strategy": strategy, "estimator": {**old["estimator"], "name": "Together"}}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    first = nas.search("digits", trials=2, store=tmp_path / "new.db", **CALL)
    old = nas.SqlStore(tmp_path / "old.db")
    for event in first.store.read("s"):
        if event.kind == "manifest":
            event = Event("manifest", older(event.data))
        old.append("s", [event])
    text = old.text("s")[0][2]
    assert '"within"' in text and '"constraints"' not in text and '"format":2' in text
    return tmp_path / "old.db"


def test_an_older_study_is_opened_and_resumed(store: Path) -> None:
    read = open_study(nas.SqlStore(store), with_space=True)
    assert read.history.constraints == (nas.Objective("params", "min", 9e3),)
    assert read.manifest["format"] == 3
    assert len(nas.resume(store, trials=3).history.where(arm="search").finished) == 3
    assert len(nas.search("digits", trials=4, store=store, **CALL).history.finished) == 4


def test_an_older_study_is_refused_under_other_settings(store: Path) -> None:
    call = {**CALL, "strategy": "portfolio(stop_below=0.3)"}
    with pytest.raises(nas.StoreError, match=r"another strategy \(strategy.stop_below: 0.2, now"):
        nas.search("digits", trials=4, store=store, **call)
