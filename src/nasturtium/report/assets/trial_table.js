"use strict";
// The trial table: sorted by a click on a column head, filtered by words, shown in pages.
const PAGE = 50; // rows
const WIDE = 14; // decisions that get a column each; more share one column

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
      head: "duration (s)",
      name: "duration",
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
        of: (row) => (number || value(row) === null ? value(row) : formatOption(value(row))),
      });
    }
  else columns.push({ head: "architecture", of: formatArchitecture, long: true });
  if (DATA.errors.length)
    columns.push({
      head: "error",
      of: (row) => (T.error[row] < 0 ? null : DATA.errors[T.error[row]]),
      long: true,
    });
  return columns;
})();

function formatCell(column, row) {
  const value = column.of(row);
  const metric = METRIC.get(column.name);
  if (metric && value === null) return formatMetric(metric, row);
  if (value === null || value === undefined) return "–";
  if (column.kind) return formatValue(column.kind, value).replace(/ (%|ms|s)$/, "");
  return column.number && !Number.isInteger(value) ? formatDigits(value, 6) : String(value);
}

// The text of a row that the filter searches; created when first needed.
const texts = [];
function searchText(row) {
  if (texts[row] === undefined)
    texts[row] = [
      T.number[row],
      ARMS[T.arm[row]],
      STATES[T.state[row]],
      formatArchitecture(row),
      T.error[row] < 0 ? "" : DATA.errors[T.error[row]],
    ]
      .join(" ")
      .toLowerCase();
  return texts[row];
}

// A word of the filter as a test of a row: accuracy>0.9 compares, any other word is searched for.
function parseFilter(word) {
  const found = /^([\w.-]+)(<=|>=|<|>|=)(-?[\d.]+(?:e[+-]?\d+)?)(%?)$/i.exec(word);
  const column = found && COLUMNS.find((one) => one.number && (one.name || one.head) === found[1]);
  if (!column) return (row) => searchText(row).includes(word.toLowerCase());
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

function updateRows() {
  const tests = view.filter.trim().split(/\s+/).filter(Boolean).map(parseFilter);
  const rows = [];
  for (let row = 0; row < T.number.length; row++)
    if (tests.every((holds) => holds(row))) rows.push(row);
  const column = COLUMNS[view.column],
    sign = view.down ? -1 : 1;
  const keys = new Map(rows.map((row) => [row, column.of(row)]));
  rows.sort((a, b) => {
    const one = keys.get(a),
      two = keys.get(b);
    // Missing values come last in both directions.
    if (one === null || two === null) return (one === null) - (two === null) || a - b;
    return sign * (column.number ? one - two : one < two ? -1 : one > two ? 1 : 0) || a - b;
  });
  view.rows = rows;
  view.page = 0;
}

function fillTable() {
  const body = byId("table").tBodies[0],
    first = view.page * PAGE;
  const rows = view.rows.slice(first, first + PAGE);
  body.replaceChildren(
    ...rows.map((row) => {
      const line = createElement("tr", { "data-row": row });
      COLUMNS.forEach((column, place) => {
        const cell = createElement("td", {
          class: column.number ? "number" : column.long ? "long" : "",
        });
        const text = formatCell(column, row);
        if (column.long) cell.title = text;
        cell.append(place ? text : createElement("button", { "aria-expanded": "false" }, text));
        line.append(cell);
      });
      return line;
    }),
  );
  const all = formatInteger(T.number.length),
    count = formatInteger(view.rows.length);
  byId("rows").textContent =
    view.rows.length === 0
      ? `No trial of ${all} matches.`
      : `${formatInteger(first + 1)} to ${formatInteger(first + rows.length)} of ${count}` +
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
    const button = createElement("button", {}, name);
    button.disabled = page < 0 || page > last || page === view.page;
    button.addEventListener("click", () => {
      view.page = page;
      fillTable();
    });
    return button;
  });
  byId("pages").replaceChildren(...(last ? buttons : []));
}

// Open or close the details of a trial below its row.
function toggleDetails(line) {
  const button = line.querySelector("button"),
    next = line.nextElementSibling;
  if (next && next.classList.contains("open")) {
    next.remove();
    button.setAttribute("aria-expanded", "false");
    return;
  }
  const cell = createElement(
    "td",
    { class: "about", colspan: COLUMNS.length },
    createDetails(Number(line.dataset.row)),
  );
  line.after(createElement("tr", { class: "open" }, cell));
  button.setAttribute("aria-expanded", "true");
}

function startTable() {
  const table = byId("table");
  if (!table) return;
  table.tHead.append(
    createElement(
      "tr",
      {},
      ...COLUMNS.map((column, place) => {
        const button = createElement("button", {}, column.head);
        button.addEventListener("click", () => {
          const metric = METRIC.get(column.name); // the best first, where the metric has a goal
          view.down = view.column === place ? !view.down : Boolean(metric && metric.goal === "max");
          view.column = place;
          updateRows();
          fillTable();
        });
        return createElement("th", { scope: "col" }, button);
      }),
    ),
  );
  table.tBodies[0].addEventListener("click", (event) => {
    const line = event.target.closest("tr[data-row]");
    if (line) toggleDetails(line);
  });
  let waiting = 0;
  byId("filter").addEventListener("input", (event) => {
    view.filter = event.target.value;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      updateRows();
      fillTable();
    }, 80);
  });
  fillTable();
}
