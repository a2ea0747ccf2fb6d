"""A search whose log is kept on a PostgreSQL server."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import nasturtium as nas
from nasturtium.cli import main
from nasturtium.retraining.load_retrained import load_retrained
from nasturtium.retraining.model_card import format_card
from nasturtium.run.open_study import open_study
from nasturtium.study.stores.sql import SqlStore


class Slow(nas.Estimator):
    """Gives a number that the architecture decides, after a while."""

    metrics = ("accuracy",)

    def estimate(self, job: Any) -> dict[str, float]:
        time.sleep(0.03)
        return {"accuracy": sum(map(ord, str(job.proposal.architecture.key))) % 1000 / 1000}


def searched(store: str | Path | nas.SqlStore, **more: Any) -> nas.Study:
    return nas.search(
        "iris",
        space="mlp",
        estimator=Slow(),
        strategy="evolution(population=5)",
        trials=40,
        executor="here",
        store=store,
        name="s",
        seed=3,
        **more,
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, str]]:
    path = tmp_path_factory.mktemp("undisturbed") / "study.db"
    searched(path)
    return comparable(SqlStore(path))


def comparable(store: SqlStore) -> list[tuple[int, str, str]]:
    """The log without its manifest, which says where it is kept."""
    return store.text("s")[1:]


def test_a_search_goes_on_when_its_server_is_away(
    postgres: Any, tmp_path: Path, monkeypatch: Any, undisturbed: Any, caplog: Any
) -> None:
    """Connections are ended, the server is restarted, and it crashes and stays away a while."""
    monkeypatch.chdir(tmp_path)
    url = postgres.database()

    def crash() -> None:
        postgres.stop("immediate")
        time.sleep(1.0)
        postgres.start()

    def restart() -> None:
        postgres.stop("fast")
        postgres.start()

    faults = {5: lambda: postgres.disconnect(url), 12: crash, 25: restart}
    threads = []

    def watch(study: Any, stage: str, trial: Any) -> None:
        if trial is not None and trial.number in faults:
            threads.append(threading.Thread(target=faults.pop(trial.number)))
            threads[-1].start()

    study = searched(url, watch=watch)
    for thread in threads:
        thread.join()
    assert len(study.history.finished) == len(study.history) and not faults
    assert comparable(SqlStore(url)) == undisturbed
    assert "is unavailable; trying again for up to 600 s" in caplog.text
    assert study.store.folder.parent.name == "nasturtium.files"
    study.store.lease("s").release()  # it was given back
    secrets = ("s3cr:t", quote("s3cr:t", safe=""))
    assert not any(secret in caplog.text + repr(study) for secret in secrets)


def test_no_output_log_page_or_card_holds_the_password(
    postgres: Any, tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    url = postgres.database()
    words = ["--space=mlp", "--strategy=random", "--trials=3", "--control=0", "--name=s"]
    said = ""
    for command, code in (
        (["search", "iris", *words, "--recipe=epochs=1", "--executor=here", "--store", url], 0),
        (["status", url], 0),
        (["best", f"{url}:s"], 0),
        (["describe", f"{url}:s"], 0),
        (["resume", f"{url}:s", "--trials=4"], 0),
        (["describe", f"{url}:s", "--command"], 0),
        (["finish", f"{url}:s", "--recipe=epochs=1"], 0),
        (["report", f"{url}:s"], 0),
        (["status", f"{url}:another"], 2),
        (["best", url.replace("nas:", "nobody:")], 2),
        (["search", "wine", *words, "--store", url], 2),
    ):
        with pytest.raises(SystemExit) as ended:
            main(command)
        shown = capfd.readouterr()
        said += f"\n$ {command[0]}: {ended.value.code}\n{shown.out}{shown.err}"
        assert (ended.value.code or 0) == code, said
    store = SqlStore(url)
    said += repr(store.text("s")) + repr([event.data for event in store.read("s")])
    study = open_study(store, "s", with_space=True)
    said += format_card(study, load_retrained(study), [])
    store.close()
    for path in tmp_path.rglob("*"):
        said += f"\n{path}\n" + (path.read_text(errors="replace") if path.is_file() else "")
    assert (tmp_path / "report.html").exists()
    assert [line[:300] for line in said.splitlines() if "s3cr" in line] == []
