"use strict";
// The details of a trial: metrics, architecture, and what differs from its parent.
function trialTitle(row) {
  const drawn = T.uniform[row] && T.arm[row] === 0 ? ", drawn uniformly" : "";
  const part =
    T.cost[row] === 1 ? "" : `, ${formatDigits(100 * T.cost[row], 3)} % of the full training`;
  return `Trial ${T.number[row]}: ${ARMS[T.arm[row]]}, ${STATES[T.state[row]]}${drawn}${part}`;
}

function createEntry(name, value, before) {
  const node = createElement("div", {}, createElement("dt", {}, name), createElement("dd"));
  if (before !== undefined) {
    node.className = "changed";
    node.lastChild.append(createElement("del", {}, before));
  }
  node.lastChild.append(value);
  return node;
}

// All that is known of a trial; decisions that differ from its parent's are marked.
function createDetails(row) {
  const box = createElement("div", { class: "detail" }, createElement("h3", {}, trialTitle(row)));
  if (T.error[row] >= 0) box.append(createElement("p", {}, DATA.errors[T.error[row]]));
  const numbers = createElement("dl");
  for (const metric of DATA.metrics)
    if (metric.values[row] !== null || metric.odd.includes(row))
      numbers.append(createEntry(metric.label.replace(/ \(.*\)$/, ""), formatMetric(metric, row)));
  if (T.seconds[row]) numbers.append(createEntry("duration", formatValue("s", T.seconds[row])));
  box.append(numbers);
  const parent = T.parent[row] === null ? undefined : ROW.get(T.parent[row]);
  const before = parent === undefined ? null : new Map(decisionsOf(parent));
  const list = createElement("dl");
  let changes = 0;
  for (const [name, value] of decisionsOf(row)) {
    const now = formatOption(value);
    const was =
      before && before.has(name) ? formatOption(before.get(name)) : before ? "absent" : now;
    changes += was !== now;
    list.append(was === now ? createEntry(name, now) : createEntry(name, now, was));
    if (before) before.delete(name);
  }
  if (before) {
    for (const [name, value] of before)
      list.append(createEntry(name, "absent", formatOption(value)));
    changes += before.size;
    const relative = `its parent, trial ${T.number[parent]}`;
    const words =
      changes === 0
        ? `It has the same architecture as ${relative}.`
        : `It differs from ${relative}, in ${changes} decision${changes > 1 ? "s" : ""}.`;
    box.append(createElement("p", {}, words));
  }
  box.append(createElement("h3", {}, "Architecture"), list);
  const record = { space: DATA.space, decisions: Object.fromEntries(decisionsOf(row)) };
  box.append(
    createElement(
      "details",
      {},
      createElement("summary", {}, "as JSON"),
      createElement("pre", {}, JSON.stringify(record)),
    ),
  );
  return box;
}

// Show a trial's details beside the plot of all networks.
function showTrial(number) {
  const place = byId("chosen");
  if (place) place.replaceChildren(createDetails(ROW.get(number)));
}
