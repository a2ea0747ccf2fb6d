"use strict";
// The trial table: sorted by a click on a head, filtered by words, fifty rows at a time.
const PAGE = 50;
const WIDE = 14; // decisions that get a column each; more are written in one

const COLUMNS = (() => {
  const columns = [
    { head: "trial", of: (row) => T.number[row], number: true },
    { head: "arm", of: (row) => ARMS[T.arm[row]] },
    { head: "state", of: (row) => STATES[T.state[row]] },
  ];
  for (const metric of DATA.metrics)
    columns.push({
      head: metric.label,
      name: metric.name,
      of: (row) => metric.values[row],
      number: true,
      kind: metric.kind,
    });
  if (T.seconds.some((seconds) => seconds > 0))
    columns.push({
      head: "took (s)",
      name: "took",
      of: (row) => T.seconds[row] || null,
      number: true,
      kind: "s",
    });
  if (T.parent.some((parent) => parent !== null))
    columns.push({ head: "parent", name: "parent", of: (row) => T.parent[row], number: true });
  if (DATA.decisions.length <= WIDE)
    for (const decision of DATA.decisions) {
      const value = (row) => (decision.at[row] < 0 ? null : decision.options[decision.at[row]]);
      const number = decision.options.every((one) => typeof one === "number");
      columns.push({
        head: decision.name,
        name: decision.name,
        number,
        of: (row) => (number || value(row) === null ? value(row) : option(value(row))),
      });
    }
  else columns.push({ head: "architecture", of: oneLine, long: true });
  if (DATA.errors.length)
    columns.push({
      head: "why not",
      of: (row) => (T.error[row] < 0 ? null : DATA.errors[T.error[row]]),
      long: true,
    });
  return columns;
})();

function shown(column, row) {
  const value = column.of(row);
  const metric = METRIC.get(column.name);
  if (metric && value === null) return reading(metric, row);
  if (value === null || value === undefined) return "–";
  if (column.kind) return written(column.kind, value).replace(/ (%|ms|s)$/, "");
  return column.number && !Number.isInteger(value) ? digits(value, 6) : String(value);
}

// A row as the text that words are looked for in; made when first needed.
const texts = [];
function textOf(row) {
  if (texts[row] === undefined)
    texts[row] = [
      T.number[row],
      ARMS[T.arm[row]],
      STATES[T.state[row]],
      oneLine(row),
      T.error[row] < 0 ? "" : DATA.errors[T.error[row]],
    ]
      .join(" ")
      .toLowerCase();
  return texts[row];
}

// One word of the filter as a test of a row: accuracy>0.9 compares, anything else is looked for.
function test(word) {
  const found = /^([\w.-]+)(<=|>=|<|>|=)(-?[\d.]+(?:e[+-]?\d+)?)(%?)$/i.exec(word);
  const column = found && COLUMNS.find((one) => one.number && (one.name || one.head) === found[1]);
  if (!column) return (row) => textOf(row).includes(word.toLowerCase());
  const bound = Number(found[3]) / (found[4] ? 100 : 1);
  const holds = {
    "<": (v) => v < bound,
    "<=": (v) => v <= bound,
    ">": (v) => v > bound,
    ">=": (v) => v >= bound,
    "=": (v) => v === bound,
  }[found[2]];
  return (row) => column.of(row) !== null && holds(column.of(row));
}

const view = { rows: T.number.map((_, row) => row), page: 0, column: 0, down: false, filter: "" };

function arrange() {
  const tests = view.filter.trim().split(/\s+/).filter(Boolean).map(test);
  const rows = [];
  for (let row = 0; row < T.number.length; row++)
    if (tests.every((holds) => holds(row))) rows.push(row);
  const column = COLUMNS[view.column],
    sign = view.down ? -1 : 1;
  const keys = new Map(rows.map((row) => [row, column.of(row)]));
  rows.sort((a, b) => {
    const one = keys.get(a),
      two = keys.get(b);
    // What is missing comes last, whichever way.
    if (one === null || two === null) return (one === null) - (two === null) || a - b;
    return sign * (column.number ? one - two : one < two ? -1 : one > two ? 1 : 0) || a - b;
  });
  view.rows = rows;
  view.page = 0;
}

function fill() {
  const body = byId("table").tBodies[0],
    first = view.page * PAGE;
  const rows = view.rows.slice(first, first + PAGE);
  body.replaceChildren(
    ...rows.map((row) => {
      const line = make("tr", { "data-row": row });
      COLUMNS.forEach((column, place) => {
        const cell = make("td", { class: column.number ? "number" : column.long ? "long" : "" });
        const text = shown(column, row);
        if (column.long) cell.title = text;
        cell.append(place ? text : make("button", { "aria-expanded": "false" }, text));
        line.append(cell);
      });
      return line;
    }),
  );
  const all = grouped(T.number.length),
    count = grouped(view.rows.length);
  byId("rows").textContent =
    view.rows.length === 0
      ? `No trial of ${all} matches.`
      : `${grouped(first + 1)} to ${grouped(first + rows.length)} of ${count}` +
        (count === all ? " trials" : ` that match, of ${all} trials`);
  byId("table")
    .querySelectorAll("th")
    .forEach((head, place) => {
      head.setAttribute(
        "aria-sort",
        place !== view.column ? "none" : view.down ? "descending" : "ascending",
      );
    });
  const last = Math.max(0, Math.ceil(view.rows.length / PAGE) - 1);
  const buttons = [
    ["first", 0],
    ["previous", view.page - 1],
    ["next", view.page + 1],
    ["last", last],
  ].map(([name, page]) => {
    const button = make("button", {}, name);
    button.disabled = page < 0 || page > last || page === view.page;
    button.addEventListener("click", () => {
      view.page = page;
      fill();
    });
    return button;
  });
  byId("pages").replaceChildren(...(last ? buttons : []));
}

// Open or close the details of a trial below its row.
function toggle(line) {
  const button = line.querySelector("button"),
    next = line.nextElementSibling;
  if (next && next.classList.contains("open")) {
    next.remove();
    button.setAttribute("aria-expanded", "false");
    return;
  }
  const cell = make(
    "td",
    { class: "about", colspan: COLUMNS.length },
    detail(Number(line.dataset.row)),
  );
  line.after(make("tr", { class: "open" }, cell));
  button.setAttribute("aria-expanded", "true");
}

function startTable() {
  const table = byId("table");
  if (!table) return;
  table.tHead.append(
    make(
      "tr",
      {},
      ...COLUMNS.map((column, place) => {
        const button = make("button", {}, column.head);
        button.addEventListener("click", () => {
          const metric = METRIC.get(column.name); // the best first, where there is a better
          view.down = view.column === place ? !view.down : Boolean(metric && metric.goal === "max");
          view.column = place;
          arrange();
          fill();
        });
        return make("th", { scope: "col" }, button);
      }),
    ),
  );
  table.tBodies[0].addEventListener("click", (event) => {
    const line = event.target.closest("tr[data-row]");
    if (line) toggle(line);
  });
  let waiting = 0;
  byId("filter").addEventListener("input", (event) => {
    view.filter = event.target.value;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      arrange();
      fill();
    }, 80);
  });
  fill();
}

startTable();
startPlots();
