"use strict";
// All networks as points, the Pareto front, and the details of the selected network.
const START = { name: "", label: "trial number", kind: "plain", goal: null, values: T.number };
const SYMBOLS = {
  search: "circle",
  control: "diamond",
  confirm: "triangle-up",
  reference: "square",
  final: "cross",
};

function findColumn(name) {
  return METRIC.get(name) || START;
}

// The Pareto front: rows of trials that no other is better than in both columns, by increasing x.
function findFront(x, y) {
  const signX = x.goal === "max" ? -1 : 1,
    signY = y.goal === "max" ? -1 : 1;
  const able = T.number
    .map((_, row) => row)
    .filter(
      (row) => T.ok[row] && T.arm[row] < 2 && x.values[row] !== null && y.values[row] !== null,
    );
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

function createPoints(x, y) {
  const groups = new Map();
  const add = (key, row) => (groups.has(key) ? groups.get(key).push(row) : groups.set(key, [row]));
  for (let row = 0; row < T.number.length; row++) {
    if (x.values[row] === null || y.values[row] === null) continue;
    if (T.state[row] !== 1 || (!T.ok[row] && T.arm[row] < 2)) add("other", row);
    else add(ARMS[T.arm[row]], row);
  }
  const traces = [],
    dense = T.number.length > MANY;
  for (const key of ["other", ...ARMS]) {
    const rows = groups.get(key);
    if (!rows) continue;
    const dim = key === "other";
    traces.push({
      type: POINTS,
      mode: "markers",
      name: dim ? "not counted" : key,
      x: rows.map((row) => x.values[row]),
      y: rows.map((row) => y.values[row]),
      customdata: rows,
      hoverinfo: "none",
      marker: {
        symbol: dim ? "x" : SYMBOLS[key],
        size: dense ? 4 : 8,
        opacity: dense ? 0.6 : 0.8,
        color: readColour(dim ? "dim" : key),
      },
    });
  }
  return traces;
}

// The axis of a column; around a single value it shows a range.
function createAxisAround(column) {
  const found = column.values.filter((value) => value !== null);
  const shown = createAxis(column.label, column.kind);
  if (!found.length || found.some((value) => value !== found[0])) return shown;
  const half = column.kind === "share" ? 0.05 : Math.abs(found[0]) / 10 || 1;
  return { ...shown, range: [found[0] - half, found[0] + half] };
}

function drawFront() {
  const x = findColumn(byId("x-pick").value),
    y = findColumn(byId("y-pick").value);
  const traces = createPoints(x, y);
  const kept = x.goal && y.goal && x !== y ? findFront(x, y) : [];
  if (kept.length)
    traces.push({
      type: "scatter",
      mode: kept.length > 1 ? "lines+markers" : "markers",
      name: "front",
      x: kept.map((row) => x.values[row]),
      y: kept.map((row) => y.values[row]),
      customdata: kept,
      hoverinfo: "none",
      line: { color: readColour("star"), width: 1.5, shape: x.goal === "min" ? "hv" : "vh" },
      marker: { symbol: "circle-open", size: 11, color: readColour("star") },
    });
  const best = ROW.get(DATA.best);
  if (x.values[best] !== null && y.values[best] !== null)
    traces.push({
      type: "scatter",
      mode: "markers",
      name: `chosen: trial ${DATA.best}`,
      x: [x.values[best]],
      y: [y.values[best]],
      customdata: [best],
      hoverinfo: "none",
      marker: { symbol: "star", size: 15, color: readColour("star") },
    });
  const words = { min: "less", max: "more" };
  byId("front-words").textContent = kept.length
    ? `The line joins the ${kept.length} network${kept.length > 1 ? "s" : ""} of the Pareto ` +
      `front: no other is better on both axes (horizontal: ${words[x.goal]} is better; ` +
      `vertical: ${words[y.goal]} is better).`
    : "";
  if (traces[0].name === "not counted")
    byId("front-words").textContent +=
      " Networks that are not counted violate a constraint or were trained only in part.";
  drawPlot("front-plot", traces, createLayout(createAxisAround(x), createAxisAround(y)));
}

function showTooltip(event) {
  const row = event.points[0].customdata;
  const box = byId("tip-box");
  const all = decisionsOf(row);
  const numbers = DATA.metrics
    .slice(0, 5)
    .filter((m) => m.values[row] !== null)
    .map((m) => `${m.name.replace(/_/g, " ")} ${formatValue(m.kind, m.values[row])}`)
    .join(", ");
  const shown = all
    .slice(0, 14)
    .map(([name, value]) => `${name} ${formatOption(value)}`)
    .join(", ");
  box.replaceChildren(
    createElement("b", {}, trialTitle(row)),
    numbers,
    createElement("br"),
    shown + (all.length > 14 ? ` and ${all.length - 14} more` : ""),
  );
  box.hidden = false;
  const { clientX, clientY } = event.event,
    size = box.getBoundingClientRect();
  box.style.left = Math.max(4, Math.min(clientX + 14, window.innerWidth - size.width - 6)) + "px";
  box.style.top =
    (clientY + 16 + size.height > window.innerHeight ? clientY - size.height - 12 : clientY + 16) +
    "px";
}

function startFront() {
  const fill = (id, chosen) => {
    const select = byId(id);
    for (const column of [...DATA.metrics, START]) {
      const item = createElement("option", { value: column.name }, column.label);
      item.selected = column.name === chosen;
      select.append(item);
    }
    select.addEventListener("change", drawFront);
  };
  const goals = DATA.metrics.filter((m) => m.objective).map((m) => m.name);
  const costs = [...DATA.constraints, "params", "macs", "latency", "flops"].filter(
    (name) => METRIC.has(name) && name !== goals[0],
  );
  fill("x-pick", goals[1] || costs[0] || "");
  fill("y-pick", goals[0]);
  drawFront();
  DRAWN.push(drawFront);
  const plot = byId("front-plot");
  plot.on("plotly_hover", showTooltip);
  plot.on("plotly_unhover", () => {
    byId("tip-box").hidden = true;
  });
  plot.on("plotly_click", (event) => showTrial(T.number[event.points[0].customdata]));
  showTrial(DATA.best);
}
