"use strict";
// Learning curves of the best networks.
function startLearningCurves() {
  const names = [...new Set(DATA.curves.flatMap((curve) => Object.keys(curve.values)))];
  const place = byId("curves-plot"),
    select = byId("curve-pick");
  if (!names.length) {
    select.closest("p").remove();
    place.replaceWith(
      createElement(
        "p",
        { class: "note" },
        "No learning curves were reported: the estimator returns its metrics once, at the end.",
      ),
    );
    return;
  }
  const goal = DATA.metrics.find((metric) => metric.objective).name;
  for (const name of names) {
    const item = createElement("option", { value: name }, name.replace(/_/g, " "));
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
        color: readColour(curve.number === DATA.best ? "star" : curve.arm),
        width: curve.number === DATA.best ? 3 : 1.5,
      },
      opacity: curve.number === DATA.best ? 1 : 0.65,
    }));
    const kind = shown[0].kinds[name],
      text = name.replace(/_/g, " ") + (kind === "share" ? " (%)" : "");
    drawPlot(
      "curves-plot",
      traces,
      createLayout(
        {
          ...createAxis(shown[0].over, "plain"),
          dtick: Math.max(...shown.map((curve) => curve.at.length)) < 12 ? 1 : undefined,
        },
        createAxis(text, kind),
        {
          showlegend: !isNarrow(),
          legend: { x: 1.01, y: 0.93 },
        },
      ),
    );
  };
  select.addEventListener("change", draw);
  draw();
  DRAWN.push(draw);
}
