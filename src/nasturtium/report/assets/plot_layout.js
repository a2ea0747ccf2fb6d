"use strict";
// What all plots share: colours, axes, layout, and drawing.
const MANY = 1500; // points above which they are drawn smaller
// Points above which WebGL draws them; up to there SVG is as fast and always works.
const VAST = 20000;
const DRAWN = []; // functions that draw a plot again, for example after a change of colours

const readColour = (name) =>
  getComputedStyle(document.documentElement)
    .getPropertyValue("--" + name)
    .trim();
const isNarrow = () => window.innerWidth < 760;

function hasWebGL() {
  try {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl"));
  } catch {
    return false;
  }
}
const POINTS = T.number.length > VAST && hasWebGL() ? "scattergl" : "scatter";

function createAxis(label, kind) {
  const shown = {
    title: { text: label, standoff: 8 },
    gridcolor: readColour("line"),
    zeroline: false,
    automargin: true,
  };
  return kind === "share"
    ? { ...shown, tickformat: ".1~%" }
    : { ...shown, tickformat: kind === "count" ? "~s" : "" };
}

function createLayout(x, y, more = {}) {
  return {
    margin: { l: 60, r: 12, t: 8, b: 48 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: {
      color: readColour("ink"),
      family: getComputedStyle(document.body).fontFamily,
      size: 13,
    },
    xaxis: x,
    yaxis: y,
    legend: {
      orientation: "h",
      y: 1.02,
      yanchor: "bottom",
      x: 0,
      font: { size: isNarrow() ? 11 : 13 },
    },
    hovermode: "closest",
    modebar: {
      bgcolor: "rgba(0,0,0,0)",
      color: readColour("soft"),
      activecolor: readColour("accent"),
    },
    dragmode: isNarrow() ? false : "zoom",
    ...more,
  };
}

function drawPlot(id, traces, layout) {
  const options = {
    responsive: true,
    displaylogo: false,
    displayModeBar: isNarrow() ? false : "hover",

    // Nothing leaves the page: plotly's own bar offers to upload the plot.
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    showSendToCloud: false,
    plotlyServerURL: "",
  };
  return Plotly.react(byId(id), traces, layout, options);
}
