"use strict";
// Start the table and the plots once all scripts are there.
function startPlots() {
  if (!byId("front-plot")) return;
  startFront();
  // The first plot is there to be seen before the others are drawn.
  setTimeout(() => {
    startBestSoFar();
    startLearningCurves();
    document.body.dataset.ready = "all";
  }, 0);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    DRAWN.forEach((draw) => draw()),
  );
}

startTable();
startPlots();
