"use strict";
// What all parts of the page use: the data, numbers with units, the details of a trial.
const DATA = JSON.parse(document.getElementById("data").textContent);
const T = DATA.trials;
const ARMS = DATA.arms;
const STATES = DATA.states;
const ROW = new Map(T.number.map((number, row) => [number, row]));
const METRIC = new Map(DATA.metrics.map((metric) => [metric.name, metric]));
const byId = (id) => document.getElementById(id);

function make(kind, attributes = {}, ...children) {
  const node = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function digits(value, count) {
  return Number(value.toPrecision(count)).toLocaleString("en-US", { maximumFractionDigits: 8 });
}

// A whole number with its digits in groups of three.
function grouped(value) {
  return value.toLocaleString("en-US");
}

// A count or a number in three digits: 1.25 M.
function short(value) {
  for (const [size, suffix] of [
    [1e12, " T"],
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
  ])
    if (Math.abs(value) >= 0.9995 * size) return digits(value / size, 3) + suffix;
  return digits(value, 4);
}

function written(kind, value) {
  if (value === null || value === undefined) return "–";
  if (kind === "share") return (100 * value).toFixed(2) + " %";
  if (kind === "ms") return digits(value, 3) + " ms";
  if (kind === "s") return digits(value, 3) + " s";
  return kind === "count" ? short(value) : digits(value, 5);
}

// A metric's value in a row; what was given and is no number says so.
function reading(metric, row) {
  return metric.values[row] === null && metric.odd.includes(row)
    ? "not finite"
    : written(metric.kind, metric.values[row]);
}

function option(value) {
  return Array.isArray(value) ? "(" + value.map(option).join(", ") + ")" : String(value);
}

// The decisions of a trial: [name, value] pairs of those that it was asked.
function decisions(row) {
  const found = [];
  for (const decision of DATA.decisions)
    if (decision.at[row] >= 0) found.push([decision.name, decision.options[decision.at[row]]]);
  return found;
}

function oneLine(row) {
  return decisions(row)
    .map(([name, value]) => name + "=" + option(value))
    .join(", ");
}

function title(row) {
  const drawn = T.uniform[row] && T.arm[row] === 0 ? ", drawn uniformly" : "";
  const part = T.cost[row] === 1 ? "" : `, ${digits(100 * T.cost[row], 3)} % of the full training`;
  return `Trial ${T.number[row]}: ${ARMS[T.arm[row]]}, ${STATES[T.state[row]]}${drawn}${part}`;
}

function entry(name, value, before) {
  const node = make("div", {}, make("dt", {}, name), make("dd"));
  if (before !== undefined) {
    node.className = "changed";
    node.lastChild.append(make("del", {}, before));
  }
  node.lastChild.append(value);
  return node;
}

// Everything known of a trial, with what differs from its parent set off.
function detail(row) {
  const box = make("div", { class: "detail" }, make("h3", {}, title(row)));
  if (T.error[row] >= 0) box.append(make("p", {}, DATA.errors[T.error[row]]));
  const numbers = make("dl");
  for (const metric of DATA.metrics)
    if (metric.values[row] !== null || metric.odd.includes(row))
      numbers.append(entry(metric.label.replace(/ \(.*\)$/, ""), reading(metric, row)));
  if (T.seconds[row]) numbers.append(entry("took", written("s", T.seconds[row])));
  box.append(numbers);
  const parent = T.parent[row] === null ? undefined : ROW.get(T.parent[row]);
  const before = parent === undefined ? null : new Map(decisions(parent));
  const list = make("dl");
  let changes = 0;
  for (const [name, value] of decisions(row)) {
    const now = option(value);
    const was = before && before.has(name) ? option(before.get(name)) : before ? "not asked" : now;
    changes += was !== now;
    list.append(was === now ? entry(name, now) : entry(name, now, was));
    if (before) before.delete(name);
  }
  if (before) {
    for (const [name, value] of before) list.append(entry(name, "not asked", option(value)));
    changes += before.size;
    const words =
      changes === 0
        ? "has the same architecture"
        : `differs in ${changes} decision${changes > 1 ? "s" : ""}`;
    box.append(make("p", {}, `From its parent, trial ${T.number[parent]}, it ${words}.`));
  }
  box.append(make("h3", {}, "Architecture"), list);
  const record = { space: DATA.space, decisions: Object.fromEntries(decisions(row)) };
  box.append(
    make(
      "details",
      {},
      make("summary", {}, "as a record"),
      make("pre", {}, JSON.stringify(record)),
    ),
  );
  return box;
}

// Show a trial beside the front.
function choose(number) {
  const place = byId("chosen");
  if (place) place.replaceChildren(detail(ROW.get(number)));
}
