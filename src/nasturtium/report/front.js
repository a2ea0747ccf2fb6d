"use strict";
// Every network as a point, the front, and what is shown of the one that is touched.
const START = { name: "", label: "trial number", kind: "plain", goal: null, values: T.number };
const SYMBOLS = {
  search: "circle",
  control: "diamond",
  confirm: "triangle-up",
  reference: "square",
  final: "cross",
};

function columnOf(name) {
  return METRIC.get(name) || START;
}

// The acceptable trials that no other beats in both columns, from the least x to the greatest.
function frontOf(x, y) {
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

function cloud(x, y) {
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
      name: dim ? "does not count" : key,
      x: rows.map((row) => x.values[row]),
      y: rows.map((row) => y.values[row]),
      customdata: rows,
      hoverinfo: "none",
      marker: {
        symbol: dim ? "x" : SYMBOLS[key],
        size: dense ? 4 : 8,
        opacity: dense ? 0.6 : 0.8,
        color: colour(dim ? "dim" : key),
      },
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
  const x = columnOf(byId("x-pick").value),
    y = columnOf(byId("y-pick").value);
  const traces = cloud(x, y);
  const kept = x.goal && y.goal && x !== y ? frontOf(x, y) : [];
  if (kept.length)
    traces.push({
      type: "scatter",
      mode: kept.length > 1 ? "lines+markers" : "markers",
      name: "front",
      x: kept.map((row) => x.values[row]),
      y: kept.map((row) => y.values[row]),
      customdata: kept,
      hoverinfo: "none",
      line: { color: colour("star"), width: 1.5, shape: x.goal === "min" ? "hv" : "vh" },
      marker: { symbol: "circle-open", size: 11, color: colour("star") },
    });
  const best = ROW.get(DATA.best);
  if (x.values[best] !== null && y.values[best] !== null)
    traces.push({
      type: "scatter",
      mode: "markers",
      name: `the chosen, trial ${DATA.best}`,
      x: [x.values[best]],
      y: [y.values[best]],
      customdata: [best],
      hoverinfo: "none",
      marker: { symbol: "star", size: 15, color: colour("star") },
    });
  const words = { min: "less", max: "more" };
  byId("front-words").textContent = kept.length
    ? `The line joins the ${kept.length} network${kept.length > 1 ? "s" : ""} that no other ` +
      `beats both across (${words[x.goal]} is better) and upwards (${words[y.goal]} is better).`
    : "";
  if (traces[0].name === "does not count")
    byId("front-words").textContent +=
      " What does not count breaks a bound, or was trained in part.";
  paint("front-plot", traces, look(around(x), around(y)));
}

function tip(event) {
  const row = event.points[0].customdata;
  const box = byId("tip-box");
  const all = decisions(row);
  const numbers = DATA.metrics
    .slice(0, 5)
    .filter((m) => m.values[row] !== null)
    .map((m) => `${m.name.replace(/_/g, " ")} ${written(m.kind, m.values[row])}`)
    .join(", ");
  const shown = all
    .slice(0, 14)
    .map(([name, value]) => `${name} ${option(value)}`)
    .join(", ");
  box.replaceChildren(
    make("b", {}, title(row)),
    numbers,
    make("br"),
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
      const item = make("option", { value: column.name }, column.label);
      item.selected = column.name === chosen;
      select.append(item);
    }
    select.addEventListener("change", drawFront);
  };
  const goals = DATA.metrics.filter((m) => m.objective).map((m) => m.name);
  const costs = [...Object.keys(DATA.bounds), "params", "macs", "latency", "flops"].filter(
    (name) => METRIC.has(name) && name !== goals[0],
  );
  fill("x-pick", goals[1] || costs[0] || "");
  fill("y-pick", goals[0]);
  drawFront();
  DRAWN.push(drawFront);
  const plot = byId("front-plot");
  plot.on("plotly_hover", tip);
  plot.on("plotly_unhover", () => {
    byId("tip-box").hidden = true;
  });
  plot.on("plotly_click", (event) => choose(T.number[event.points[0].customdata]));
  choose(DATA.best);
}

function startPlots() {
  if (!byId("front-plot")) return;
  startFront();
  // The first plot is there to be seen before the others are drawn.
  setTimeout(() => {
    startProgress();
    startCurves();
    document.body.dataset.ready = "all";
  }, 0);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    DRAWN.forEach((draw) => draw()),
  );
}
