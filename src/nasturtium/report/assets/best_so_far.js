"use strict";
// The best objective so far: search and random control, over trials and over time.
// The band between a line's low and high ends; none where it has no width.
function createBand(line, x, name) {
  const rows = x.map((_, i) => i).filter((i) => line.low[i] !== null && line.high[i] !== null);
  if (rows.every((i) => line.low[i] === line.high[i])) return [];
  const there = [...rows, ...[...rows].reverse()];
  return [
    {
      type: "scatter",
      mode: "lines",
      x: there.map((i) => x[i]),
      y: there.map((i, place) => (place < rows.length ? line.high[i] : line.low[i])),
      fill: "toself",
      line: { width: 0 },
      fillcolor: readColour(name) + "2b",
      showlegend: false,
      hoverinfo: "skip",
    },
  ];
}

function createBestLines(over) {
  const traces = [];
  for (const name of ["search", "control"]) {
    const line = DATA.progress[name];
    if (!line || !line.best.length) continue;
    const x = line[over];
    const style = {
      color: readColour(name),
      width: 2.5,
      shape: name === "search" ? "hv" : "linear",
    };
    const base = { type: "scatter", mode: x.length > 1 ? "lines" : "markers" };
    const label = name === "control" ? "random control" : name;
    // The extrapolated part is dotted and joins the observed part.
    const from = line.extrapolated.indexOf(true);
    const seen = from < 0 ? x.length : Math.max(from, 1);
    traces.push(...createBand(line, x, name), {
      ...base,
      name: label,
      x: x.slice(0, seen),
      y: line.best.slice(0, seen),
      line: style,
    });
    if (seen < x.length)
      traces.push({
        ...base,
        name: label + ", extrapolated",
        x: x.slice(seen - 1),
        y: line.best.slice(seen - 1),
        line: { ...style, dash: "dot" },
      });
  }
  return traces;
}

function startBestSoFar() {
  const first = DATA.metrics.find((metric) => metric.objective);
  const timed = T.seconds.some((seconds) => seconds > 0);
  const buttons = [...document.querySelectorAll("[data-over]")];
  let over = "trials";
  const draw = () => {
    for (const button of buttons)
      button.setAttribute("aria-pressed", String(button.dataset.over === over));
    const label = over === "trials" ? "trials" : "seconds of work";
    drawPlot(
      "progress-plot",
      createBestLines(over),
      createLayout(
        { ...createAxis(label, "plain"), rangemode: "tozero" },
        createAxis(first.label, first.kind),
      ),
    );
  };
  for (const button of buttons) {
    button.disabled = button.dataset.over === "seconds" && !timed;
    if (button.disabled) button.title = "no times were measured";
    button.addEventListener("click", () => {
      over = button.dataset.over;
      draw();
    });
  }
  byId("progress-words").textContent = DATA.progress.control
    ? "The control is the expected best of equally many uniform draws from the space, estimated from " +
      "the draws of the control and of the strategy. Bands are 90 % intervals."
    : "There is no control to compare with: no trial was drawn uniformly from the space.";
  if (T.cost.some((cost) => cost < 1))
    byId("progress-words").textContent += " A trial that was trained in part counts as that part.";
  draw();
  DRAWN.push(draw);
}
