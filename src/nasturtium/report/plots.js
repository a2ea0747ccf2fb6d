"use strict";
// The plots: every network and the front, best so far, learning curves.
const MANY = 1500; // points above which they are drawn small
// Points above which they are drawn by WebGL; up to there SVG opens as fast, and never fails.
const VAST = 20000;
const START = { name: "", label: "trial number", kind: "plain", goal: null, values: T.number };
const SYMBOLS = { search: "circle", control: "diamond", reference: "square", final: "cross" };
const DRAWN = []; // functions that draw a plot again, e.g. after the colours changed

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
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
  const shown = { title: { text: label, standoff: 8 }, gridcolor: colour("line"), zeroline: false, automargin: true };
  return kind === "share" ? { ...shown, tickformat: ".1~%" } : { ...shown, tickformat: kind === "count" ? "~s" : "" };
}

function look(x, y, more = {}) {
  return {
    margin: { l: 60, r: 12, t: 8, b: 48 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    xaxis: x, yaxis: y, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: narrow() ? 11 : 13 } }, hovermode: "closest",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("accent") },
    dragmode: narrow() ? false : "zoom", ...more,
  };
}

function paint(id, traces, layout) {
  const options = { responsive: true, displaylogo: false, displayModeBar: narrow() ? false : "hover",
    
    // Nothing leaves the page: plotly's own bar would offer to upload the plot.
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], showSendToCloud: false, plotlyServerURL: "" };
  return Plotly.react(byId(id), traces, layout, options);
}

// -- every network and the front ------------------------------------------------------------------

function columnOf(name) {
  return METRIC.get(name) || START;
}

// The acceptable trials that no other beats in both columns, from the least x to the greatest.
function frontOf(x, y) {
  const signX = x.goal === "max" ? -1 : 1, signY = y.goal === "max" ? -1 : 1;
  const able = T.number.map((_, row) => row).filter((row) =>
    T.ok[row] && T.arm[row] < 2 && x.values[row] !== null && y.values[row] !== null);
  able.sort((a, b) => signX * (x.values[a] - x.values[b]) || signY * (y.values[a] - y.values[b]));
  const kept = [];
  let best = Infinity;
  for (const row of able)
    if (signY * y.values[row] < best) {
      best = signY * y.values[row];
      kept.push(row);
    }
  return kept;
}

function cloud(x, y) {
  const groups = new Map();
  const add = (key, row) => (groups.has(key) ? groups.get(key).push(row) : groups.set(key, [row]));
  for (let row = 0; row < T.number.length; row++) {
    if (x.values[row] === null || y.values[row] === null) continue;
    if (T.state[row] !== 1 || (!T.ok[row] && T.arm[row] < 2)) add("other", row);
    else add(ARMS[T.arm[row]], row);
  }
  const traces = [], dense = T.number.length > MANY;
  for (const key of ["other", ...ARMS]) {
    const rows = groups.get(key);
    if (!rows) continue;
    const dim = key === "other";
    traces.push({
      type: POINTS, mode: "markers", name: dim ? "does not count" : key,
      x: rows.map((row) => x.values[row]), y: rows.map((row) => y.values[row]),
      customdata: rows, hoverinfo: "none",
      marker: { symbol: dim ? "x" : SYMBOLS[key], size: dense ? 4 : 8, opacity: dense ? 0.6 : 0.8, color: colour(dim ? "dim" : key) },
    });
  }
  return traces;
}

// An axis of a column; round a single value it shows as much as is sensible.
function around(column) {
  const found = column.values.filter((value) => value !== null);
  const shown = axis(column.label, column.kind);
  if (!found.length || found.some((value) => value !== found[0])) return shown;
  const half = column.kind === "share" ? 0.05 : Math.abs(found[0]) / 10 || 1;
  return { ...shown, range: [found[0] - half, found[0] + half] };
}

function drawFront() {
  const x = columnOf(byId("x-pick").value), y = columnOf(byId("y-pick").value);
  const traces = cloud(x, y);
  const kept = x.goal && y.goal && x !== y ? frontOf(x, y) : [];
  if (kept.length)
    traces.push({ type: "scatter", mode: kept.length > 1 ? "lines+markers" : "markers", name: "front", x: kept.map((row) => x.values[row]), y: kept.map((row) => y.values[row]),
      customdata: kept, hoverinfo: "none", line: { color: colour("star"), width: 1.5, shape: x.goal === "min" ? "hv" : "vh" }, marker: { symbol: "circle-open", size: 11, color: colour("star") } });
  const best = ROW.get(DATA.best);
  if (x.values[best] !== null && y.values[best] !== null)
    traces.push({ type: "scatter", mode: "markers", name: `the chosen, trial ${DATA.best}`, x: [x.values[best]], y: [y.values[best]],
      customdata: [best], hoverinfo: "none", marker: { symbol: "star", size: 15, color: colour("star") } });
  const words = { min: "less", max: "more" };
  byId("front-words").textContent = kept.length
    ? `The line joins the ${kept.length} network${kept.length > 1 ? "s" : ""} that no other beats both across (${words[x.goal]} is better) and upwards (${words[y.goal]} is better).`
    : "";
  if (traces[0].name === "does not count") byId("front-words").textContent += " What does not count breaks a bound, or was trained in part.";
  paint("front-plot", traces, look(around(x), around(y)));
}

function tip(event) {
  const row = event.points[0].customdata;
  const box = byId("tip-box");
  const all = decisions(row);
  const numbers = DATA.metrics.slice(0, 5).filter((m) => m.values[row] !== null)
    .map((m) => `${m.name.replace(/_/g, " ")} ${written(m.kind, m.values[row])}`).join(", ");
  const shown = all.slice(0, 14).map(([name, value]) => `${name} ${option(value)}`).join(", ");
  box.replaceChildren(make("b", {}, title(row)), numbers, make("br"), shown + (all.length > 14 ? ` and ${all.length - 14} more` : ""));
  box.hidden = false;
  const { clientX, clientY } = event.event, size = box.getBoundingClientRect();
  box.style.left = Math.max(4, Math.min(clientX + 14, window.innerWidth - size.width - 6)) + "px";
  box.style.top = (clientY + 16 + size.height > window.innerHeight ? clientY - size.height - 12 : clientY + 16) + "px";
}

function startFront() {
  const fill = (id, chosen) => {
    const select = byId(id);
    for (const column of [...DATA.metrics, START]) {
      const item = make("option", { value: column.name }, column.label);
      item.selected = column.name === chosen;
      select.append(item);
    }
    select.addEventListener("change", drawFront);
  };
  const goals = DATA.metrics.filter((m) => m.objective).map((m) => m.name);
  const costs = [...Object.keys(DATA.bounds), "params", "macs", "latency", "flops"].filter((name) => METRIC.has(name) && name !== goals[0]);
  fill("x-pick", goals[1] || costs[0] || "");
  fill("y-pick", goals[0]);
  drawFront();
  DRAWN.push(drawFront);
  const plot = byId("front-plot");
  plot.on("plotly_hover", tip);
  plot.on("plotly_unhover", () => { byId("tip-box").hidden = true; });
  plot.on("plotly_click", (event) => choose(T.number[event.points[0].customdata]));
  choose(DATA.best);
}

// -- best so far ----------------------------------------------------------------------------------

function band(line, x, name) {
  const ends = [...x, ...[...x].reverse()];
  return { type: "scatter", mode: "lines", x: ends, y: [...line.high, ...[...line.low].reverse()], fill: "toself", line: { width: 0 },
    fillcolor: colour(name) + "2b", name: `${name}, 90 % interval`, hoverinfo: "skip" };
}

function progressLines(over) {
  const traces = [], gathered = DATA.evidence;
  for (const name of ["search", "control"]) {
    const line = gathered && gathered[name];
    const base = { type: "scatter", mode: "lines", line: { color: colour(name), width: 2.5, shape: "hv", dash: name === "control" ? "dash" : "solid" } };
    if (line && line[over]) {
      const bands = line.low && line.low.some((low, i) => low !== null && low !== line.high[i]);
      if (bands) traces.push(band(line, line[over], name));
      // What was continued by a model is dotted; the first of it joins on to what was seen.
      const guessed = line.extrapolated || [], from = guessed.indexOf(true);
      const seen = from < 0 ? line.best.length : Math.max(from, 1);
      const label = name === "control" ? "random control" : name;
      traces.push({ ...base, name: label, x: line[over].slice(0, seen), y: line.best.slice(0, seen) });
      if (seen < line.best.length)
        traces.push({ ...base, name: label + ", continued by a model", line: { ...base.line, dash: "dot" }, x: line[over].slice(seen - 1), y: line.best.slice(seen - 1) });
    } else if (!gathered && DATA.progress[name].length) {
      const points = DATA.progress[name];
      traces.push({ ...base, mode: points.length > 60 ? "lines" : "lines+markers", name: name === "control" ? "random control" : name,
        x: points.map((p) => p[over === "trials" ? 0 : 1]), y: points.map((p) => p[2]), text: points.map((p) => `trial ${p[3]}`) });
    }
  }
  return traces;
}

function startProgress() {
  const first = DATA.metrics.find((metric) => metric.objective);
  const timed = T.seconds.some((seconds) => seconds > 0) || DATA.evidence;
  const buttons = [...document.querySelectorAll("[data-over]")];
  let over = "trials";
  const draw = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.over === over));
    const label = over === "trials" ? "trials" : "seconds of work";
    paint("progress-plot", progressLines(over), look({ ...axis(label, "plain"), rangemode: "tozero" }, axis(first.label, first.kind)));
  };
  for (const button of buttons) {
    button.disabled = button.dataset.over === "seconds" && !timed;
    if (button.disabled) button.title = "no times were measured";
    button.addEventListener("click", () => { over = button.dataset.over; draw(); });
  }
  const drawn = DATA.evidence ? DATA.evidence.control : DATA.progress.control.length;
  byId("progress-words").textContent = drawn
    ? "The control is what drawing uniformly from the same space gives for the same cost; it includes the strategy's own uniform draws."
    : "There is no control to compare with: no trial was drawn uniformly from the space.";
  if (T.cost.some((cost) => cost < 1)) byId("progress-words").textContent += " A trial that was trained in part counts in part.";
  draw();
  DRAWN.push(draw);
}

// -- learning curves ------------------------------------------------------------------------------

function startCurves() {
  const names = [...new Set(DATA.curves.flatMap((curve) => Object.keys(curve.values)))];
  const place = byId("curves-plot"), select = byId("curve-pick");
  if (!names.length) {
    select.closest("p").remove();
    place.replaceWith(make("p", { class: "note" }, "No learning curves were reported: the estimate gives its numbers once, at the end."));
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
      type: "scatter", mode: curve.at.length > 30 ? "lines" : "lines+markers", name: `trial ${curve.number}`, x: curve.at, y: curve.values[name],
      line: { color: colour(curve.number === DATA.best ? "star" : curve.arm), width: curve.number === DATA.best ? 3 : 1.5 }, opacity: curve.number === DATA.best ? 1 : 0.65,
    }));
    const kind = shown[0].kinds[name], text = name.replace(/_/g, " ") + (kind === "share" ? " (%)" : "");
    paint("curves-plot", traces, look({ ...axis(shown[0].over, "plain"), dtick: Math.max(...shown.map((curve) => curve.at.length)) < 12 ? 1 : undefined }, axis(text, kind), {
      showlegend: !narrow(), legend: { x: 1.01, y: 1 } }));
  };
  select.addEventListener("change", draw);
  draw();
  DRAWN.push(draw);
}

function startPlots() {
  if (!byId("front-plot")) return;
  startFront();
  // The first plot is there to be seen before the others are drawn.
  setTimeout(() => { startProgress(); startCurves(); document.body.dataset.ready = "all"; }, 0);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => DRAWN.forEach((draw) => draw()));
}
