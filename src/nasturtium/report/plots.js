"use strict";
// What all plots share; best so far and learning curves.
const MANY = 1500; // points above which they are drawn small
// Points above which they are drawn by WebGL; up to there SVG opens as fast, and never fails.
const VAST = 20000;
const DRAWN = []; // functions that draw a plot again, e.g. after the colours changed

const colour = (name) =>
  getComputedStyle(document.documentElement)
    .getPropertyValue("--" + name)
    .trim();
const narrow = () => window.innerWidth < 760;

function glows() {
  try {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl"));
  } catch {
    return false;
  }
}
const POINTS = T.number.length > VAST && glows() ? "scattergl" : "scatter";

function axis(label, kind) {
  const shown = {
    title: { text: label, standoff: 8 },
    gridcolor: colour("line"),
    zeroline: false,
    automargin: true,
  };
  return kind === "share"
    ? { ...shown, tickformat: ".1~%" }
    : { ...shown, tickformat: kind === "count" ? "~s" : "" };
}

function look(x, y, more = {}) {
  return {
    margin: { l: 60, r: 12, t: 8, b: 48 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    xaxis: x,
    yaxis: y,
    legend: {
      orientation: "h",
      y: 1.02,
      yanchor: "bottom",
      x: 0,
      font: { size: narrow() ? 11 : 13 },
    },
    hovermode: "closest",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("accent") },
    dragmode: narrow() ? false : "zoom",
    ...more,
  };
}

function paint(id, traces, layout) {
  const options = {
    responsive: true,
    displaylogo: false,
    displayModeBar: narrow() ? false : "hover",

    // Nothing leaves the page: plotly's own bar would offer to upload the plot.
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    showSendToCloud: false,
    plotlyServerURL: "",
  };
  return Plotly.react(byId(id), traces, layout, options);
}

// -- best so far ----------------------------------------------------------------------------------

// The band between a line's low and high ends; nothing where it has no width.
function band(line, x, name) {
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
      fillcolor: colour(name) + "2b",
      showlegend: false,
      hoverinfo: "skip",
    },
  ];
}

function progressLines(over) {
  const traces = [];
  for (const name of ["search", "control"]) {
    const line = DATA.progress[name];
    if (!line || !line.best.length) continue;
    const x = line[over];
    const style = { color: colour(name), width: 2.5, shape: name === "search" ? "hv" : "linear" };
    const base = { type: "scatter", mode: x.length > 1 ? "lines" : "markers" };
    const label = name === "control" ? "random control" : name;
    // What was continued by a model is dotted, and joins on to what was seen.
    const from = line.extrapolated.indexOf(true);
    const seen = from < 0 ? x.length : Math.max(from, 1);
    traces.push(...band(line, x, name), {
      ...base,
      name: label,
      x: x.slice(0, seen),
      y: line.best.slice(0, seen),
      line: style,
    });
    if (seen < x.length)
      traces.push({
        ...base,
        name: label + ", continued by a model",
        x: x.slice(seen - 1),
        y: line.best.slice(seen - 1),
        line: { ...style, dash: "dot" },
      });
  }
  return traces;
}

function startProgress() {
  const first = DATA.metrics.find((metric) => metric.objective);
  const timed = T.seconds.some((seconds) => seconds > 0);
  const buttons = [...document.querySelectorAll("[data-over]")];
  let over = "trials";
  const draw = () => {
    for (const button of buttons)
      button.setAttribute("aria-pressed", String(button.dataset.over === over));
    const label = over === "trials" ? "trials" : "seconds of work";
    paint(
      "progress-plot",
      progressLines(over),
      look({ ...axis(label, "plain"), rangemode: "tozero" }, axis(first.label, first.kind)),
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
    ? "The control is the best that so many uniform draws from the same space are expected to " +
      "give, by those that were made: the control's and the strategy's own. " +
      "Bands are 90 % intervals."
    : "There is no control to compare with: no trial was drawn uniformly from the space.";
  if (T.cost.some((cost) => cost < 1))
    byId("progress-words").textContent += " A trial that was trained in part counts in part.";
  draw();
  DRAWN.push(draw);
}

// -- learning curves ------------------------------------------------------------------------------

function startCurves() {
  const names = [...new Set(DATA.curves.flatMap((curve) => Object.keys(curve.values)))];
  const place = byId("curves-plot"),
    select = byId("curve-pick");
  if (!names.length) {
    select.closest("p").remove();
    place.replaceWith(
      make(
        "p",
        { class: "note" },
        "No learning curves were reported: the estimate gives its numbers once, at the end.",
      ),
    );
    return;
  }
  const goal = DATA.metrics.find((metric) => metric.objective).name;
  for (const name of names) {
    const item = make("option", { value: name }, name.replace(/_/g, " "));
    item.selected = name === goal;
    select.append(item);
  }
  const draw = () => {
    const name = select.value;
    const shown = DATA.curves.filter((curve) => curve.values[name]);
    const traces = shown.map((curve) => ({
      type: "scatter",
      mode: curve.at.length > 30 ? "lines" : "lines+markers",
      name: `trial ${curve.number}`,
      x: curve.at,
      y: curve.values[name],
      line: {
        color: colour(curve.number === DATA.best ? "star" : curve.arm),
        width: curve.number === DATA.best ? 3 : 1.5,
      },
      opacity: curve.number === DATA.best ? 1 : 0.65,
    }));
    const kind = shown[0].kinds[name],
      text = name.replace(/_/g, " ") + (kind === "share" ? " (%)" : "");
    paint(
      "curves-plot",
      traces,
      look(
        {
          ...axis(shown[0].over, "plain"),
          dtick: Math.max(...shown.map((curve) => curve.at.length)) < 12 ? 1 : undefined,
        },
        axis(text, kind),
        {
          showlegend: !narrow(),
          legend: { x: 1.01, y: 0.93 },
        },
      ),
    );
  };
  select.addEventListener("change", draw);
  draw();
  DRAWN.push(draw);
}
