"""The page in a headless Chromium: it draws, a click shows, sorting sorts, filtering filters."""

from __future__ import annotations

from random import Random

import pytest

import nasturtium as nas
from nasturtium.report.page import report
from nasturtium.report.plot_data import ARMS

SPACE = nas.zoo.nasbench201.bind(inputs=(1, 8, 8), cells=1, channels=4)
READY = "return document.body.dataset.ready"
POINTS = """
return [...document.querySelectorAll('#front-plot .scatterlayer .trace')].map(
  (trace) => [...trace.querySelectorAll('path.point')].map((point) => {
    const box = point.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  }));
"""
COLUMN = """
return [...document.querySelectorAll('#table tbody tr[data-row]')].map(
  (line) => line.cells[arguments[0]].textContent);
"""


def grown(count: int, name: str) -> nas.Study:
    study = nas.Study(SPACE, nas.RegularizedEvolution(8, 3), name=name, constraints=("params<90k",))
    rng = Random(0)
    for number in range(count):
        trial = study.ask("control" if number % 10 == 9 else "search")
        if number % 13 == 5:
            study.fail(trial, f"loss is nan at step {number}")
            continue
        size = sum(len(str(value)) for value in trial.architecture.values())
        accuracy = 0.5 + size / 200 + rng.random() / 20
        metrics = {"accuracy": accuracy, "params": 1000.0 * size + rng.random()}
        curve = [{"epoch": e, "accuracy": accuracy * e / 3} for e in (1, 2, 3)]
        study.tell(trial, metrics, curve=curve, seconds=1.0)
    return study


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    study = grown(120, "<i>browser")
    path = report(study, tmp_path_factory.mktemp("report") / "report.html")
    browser.size(1280, 900)
    browser.open(path)
    browser.until(READY)
    return study, path


def test_it_opens_without_a_complaint_and_without_a_request(browser, opened):
    study, _ = opened
    assert browser.complaints() == []
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.run("return document.querySelector('h1').textContent") == study.name
    shown = browser.run("return document.querySelectorAll('.plot .main-svg').length")
    assert shown >= 3
    titles = "[...document.querySelectorAll('.modebar-btn')].map((button) => button.dataset.title)"
    assert not any("hare" in title for title in browser.run(f"return {titles}"))


def test_the_front_is_drawn_as_the_study_has_it(browser, opened):
    study, _ = opened
    names = "document.getElementById('front-plot').data"
    traces = {trace["name"]: trace for trace in browser.run(f"return {names}")}
    finished = [t for t in study.history.finished if t.arm == "search"]
    assert sorted(traces["search"]["y"]) == pytest.approx(
        sorted(round(t.metrics["accuracy"], 7) for t in finished), rel=1e-6
    )
    pairs = [(t.metrics["params"], t.metrics["accuracy"]) for t in study.history.finished]
    best = [p for p in pairs if not any(q[0] < p[0] and q[1] > p[1] for q in pairs)]
    assert sorted(traces["front"]["x"]) == pytest.approx(sorted(p[0] for p in best), rel=1e-6)
    assert sum(map(len, browser.run(POINTS))) == len(pairs) + len(best) + 1
    assert traces[f"chosen: trial {study.best.number}"]["x"] == pytest.approx(
        [study.best.metrics["params"]], rel=1e-6
    )


def test_another_metric_across_draws_another_front(browser, opened):
    browser.run(
        "const pick = document.getElementById('x-pick'); pick.value = '';"
        "pick.dispatchEvent(new Event('change'))"
    )
    names = "document.getElementById('front-plot').data.map((trace) => trace.name)"
    assert "front" not in browser.run(f"return {names}")  # a trial's number is no cost
    browser.run(
        "const pick = document.getElementById('x-pick'); pick.value = 'params';"
        "pick.dispatchEvent(new Event('change'))"
    )
    assert "front" in browser.run(f"return {names}")


def test_hovering_and_clicking_a_point_shows_its_architecture(browser, opened):
    study, _ = opened
    browser.run("document.getElementById('front').scrollIntoView()")
    rows = browser.run(
        "return document.getElementById('front-plot').data.map((trace) => trace.customdata)"
    )
    place = next(i for i, trace in enumerate(rows) if len(trace) > 20)
    points = browser.run(POINTS)[place]
    alone = max(  # a point that no other lies upon
        range(len(points)),
        key=lambda i: min(
            (abs(p[0] - points[i][0]) + abs(p[1] - points[i][1]))
            for j, p in enumerate(points)
            if j != i
        ),
    )
    trial = study.history[rows[place][alone]]
    browser.click(*points[alone], press=False)
    tip = browser.until(
        "const tip = document.getElementById('tip-box'); return tip.hidden ? '' : tip.textContent"
    )
    assert f"Trial {trial.number}:" in tip and f"edge0_1 {trial.architecture['edge0_1']}" in tip
    browser.click(*points[alone])
    wanted = f"Trial {trial.number}:"
    browser.until(
        "return document.querySelector('#chosen h3').textContent.startsWith(arguments[0])".replace(
            "arguments[0]", repr(wanted)
        )
    )
    shown = browser.run("return document.getElementById('chosen').textContent")
    for name, value in trial.architecture.items():
        assert name in shown and str(value) in shown
    if trial.proposal.parent is not None:
        assert f"It differs from its parent, trial {trial.proposal.parent}, in 1" in shown


def test_sorting_sorts_and_says_so(browser, opened):
    study, _ = opened
    heads = browser.run(
        "return [...document.querySelectorAll('#table th')].map((head) => head.textContent)"
    )
    place = heads.index("accuracy (%)")
    for expected in (True, False):
        browser.run("document.querySelectorAll('#table th button')[arguments[0]].click()", place)
        texts = browser.run(COLUMN, place)
        numbers = [float(text) for text in texts if text != "–"]
        assert len(texts) == 50 and numbers == sorted(numbers, reverse=expected)
        kind = "descending" if expected else "ascending"
        head = "document.querySelectorAll('#table th')[arguments[0]].getAttribute('aria-sort')"
        assert browser.run(f"return {head}", place) == kind
    worst = min(study.history.finished, key=lambda t: t.metrics["accuracy"])
    assert browser.run(COLUMN, 0)[0] == str(worst.number)
    browser.run("[...document.querySelectorAll('#pages button')].at(-1).click()")
    assert "–" in browser.run(COLUMN, place)  # what has no accuracy comes last


def test_filtering_filters_by_words_and_comparisons(browser, opened):
    study, _ = opened
    cases = {
        "control failed": lambda t: t.arm == "control" and t.state == "failed",
        "accuracy>=0.7": lambda t: t.metrics.get("accuracy", 0) >= 0.7,
        "edge0_1=none": lambda t: t.architecture["edge0_1"] == "none",
        "nothing-at-all": lambda t: False,
    }
    for text, wanted in cases.items():
        count = sum(map(wanted, study.history))
        browser.type("#filter", text)
        words = f"of {count} that match" if count else "No trial of 120 matches."
        browser.until(f"return document.getElementById('rows').textContent.includes({words!r})")
        shown = browser.run(COLUMN, 0)
        assert len(shown) == min(count, 50)
        assert all(wanted(study.history[int(number)]) for number in shown)
    browser.type("#filter", "trial")  # typing again after nothing matched
    browser.run(
        "const box = document.getElementById('filter'); box.value = '';"
        "box.dispatchEvent(new Event('input'))"
    )
    browser.until("return document.getElementById('rows').textContent.includes('120 trials')")


def test_a_row_opens_by_its_button(browser, opened):
    first = "document.querySelector('#table tbody button')"
    browser.run(f"{first}.click()")
    assert browser.run(f"return {first}.getAttribute('aria-expanded')") == "true"
    assert "Architecture" in browser.run(
        "return document.querySelector('#table .open').textContent"
    )
    browser.run(f"{first}.click()")
    assert browser.run("return document.querySelector('#table .open')") is None


def test_best_so_far_is_drawn_over_trials_and_over_time(browser, opened):
    lines = (
        "document.getElementById('progress-plot').data.map((trace) => [trace.name, trace.x.at(-1)])"
    )
    over_trials = dict(browser.run(f"return {lines}"))
    browser.run("document.querySelector('[data-over=seconds]').click()")
    over_time = dict(browser.run(f"return {lines}"))
    assert {"search", "random control"} <= set(over_time) == set(over_trials)
    assert over_time["search"] < over_trials["search"]  # failed ones took no time


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_either_scheme(browser, opened, scheme):
    _, path = opened
    browser.size(390, 844)
    browser.scheme(scheme)
    browser.open(path)
    browser.until(READY)
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    colours = browser.run(
        "const style = getComputedStyle(document.body);"
        "return [style.backgroundColor, style.color,"
        " document.getElementById('front-plot').layout.font.color]"
    )
    back, ink = (sum(map(int, c[4:-1].split(", "))) for c in colours[:2])
    assert (back < ink) == (scheme == "dark")
    lightness = sum(int(colours[2][i : i + 2], 16) for i in (1, 3, 5))
    assert (lightness > 380) == (scheme == "dark")
    assert browser.complaints() == []
    browser.size(1280, 900)
    browser.scheme("light")


def test_studies_without_an_answer_open_without_a_complaint(browser, tmp_path):
    empty = nas.Study(SPACE, nas.RandomSearch(), name="empty")
    failed = nas.Study(SPACE, nas.RandomSearch(), name="failed")
    failed.fail(failed.ask(), "it broke")
    single = nas.Study(SPACE, nas.RandomSearch(), name="single")
    single.tell(single.ask(), {"accuracy": 0.5, "latency": float("inf")})
    for study, points in ((empty, 0), (failed, 0), (single, 2)):
        browser.open(report(study, tmp_path / f"{study.name}.html"))
        if points:
            browser.until(READY)
        assert browser.complaints() == []
        assert sum(map(len, browser.run(POINTS))) == points
        assert browser.run(COLUMN, 0) == [str(n) for n in range(len(study.history))]


def test_every_arm_is_shown_by_its_own_name(browser, tmp_path):
    study = nas.Study(SPACE, nas.RandomSearch(), name="arms")
    for place, arm in enumerate(ARMS):
        trial = study.add(SPACE.sample(Random(place)), arm)
        study.tell(trial, {"accuracy": 0.5 + place / 100})
    browser.open(report(study, tmp_path / "arms.html"))
    browser.until(READY)
    assert browser.run(COLUMN, 1) == list(ARMS)
    traces = browser.run("return document.getElementById('front-plot').data")
    drawn = {trace["name"]: trace["marker"] for trace in traces if trace["name"] in ARMS}
    assert list(drawn) == list(ARMS)
    for look in ("symbol", "color"):
        assert len({marker[look] for marker in drawn.values()}) == len(ARMS)
    assert browser.complaints() == []


def test_ten_thousand_trials_open_in_two_seconds(browser, tmp_path):
    path = report(grown(10_000, "many"), tmp_path / "many.html")
    # Processor time of the page's thread: other programs on the machine do not count.
    browser.devtools("Performance.enable", {"timeDomain": "threadTicks"})
    before = _busy(browser)
    browser.open(path)
    browser.until(READY, 60)
    assert _busy(browser) - before < 2.0
    assert browser.run("return document.querySelectorAll('#table tbody tr').length") == 50
    assert sum(map(len, browser.run(POINTS))) > 9000


def _busy(browser) -> float:
    metrics = browser.devtools("Performance.getMetrics", {})["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "TaskDuration")
