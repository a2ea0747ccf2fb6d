"use strict";
// The data of the page, and how its numbers and architectures are written.
const DATA = JSON.parse(document.getElementById("data").textContent);
const T = DATA.trials;
const ARMS = DATA.arms;
const STATES = DATA.states;
const ROW = new Map(T.number.map((number, row) => [number, row]));
const METRIC = new Map(DATA.metrics.map((metric) => [metric.name, metric]));
const byId = (id) => document.getElementById(id);

function createElement(kind, attributes = {}, ...children) {
  const node = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function formatDigits(value, count) {
  return Number(value.toPrecision(count)).toLocaleString("en-US", { maximumFractionDigits: 8 });
}

// A whole number with its digits in groups of three.
function formatInteger(value) {
  return value.toLocaleString("en-US");
}

// A count or a number in three digits: 1.25 M.
function formatNumber(value) {
  for (const [size, suffix] of [
    [1e12, " T"],
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
  ])
    if (Math.abs(value) >= 0.9995 * size) return formatDigits(value / size, 3) + suffix;
  return formatDigits(value, 4);
}

function formatValue(kind, value) {
  if (value === null || value === undefined) return "–";
  if (kind === "share") return (100 * value).toFixed(2) + " %";
  if (kind === "ms") return formatDigits(value, 3) + " ms";
  if (kind === "s") return formatDigits(value, 3) + " s";
  return kind === "count" ? formatNumber(value) : formatDigits(value, 5);
}

// A metric's value in a row; a value that was reported and is not finite says so.
function formatMetric(metric, row) {
  return metric.values[row] === null && metric.odd.includes(row)
    ? "not finite"
    : formatValue(metric.kind, metric.values[row]);
}

function formatOption(value) {
  return Array.isArray(value) ? "(" + value.map(formatOption).join(", ") + ")" : String(value);
}

// The decisions of a trial's architecture as [name, value] pairs.
function decisionsOf(row) {
  const found = [];
  for (const decision of DATA.decisions)
    if (decision.at[row] >= 0) found.push([decision.name, decision.options[decision.at[row]]]);
  return found;
}

function formatArchitecture(row) {
  return decisionsOf(row)
    .map(([name, value]) => name + "=" + formatOption(value))
    .join(", ");
}
