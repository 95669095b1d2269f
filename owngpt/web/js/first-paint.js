/* Runs before the first paint, so that a chosen theme does not flash: a classic script, on purpose. */
(function () {
  try {
    var chosen = JSON.parse(localStorage.getItem("owngpt.preferences") || "{}");
    if (chosen.theme && chosen.theme !== "auto") document.documentElement.dataset.theme = chosen.theme;
    if (chosen.sidebar === false) document.documentElement.dataset.sidebar = "closed";
  } catch (error) {
    console.warn("owngpt: stored preferences could not be read", error);
  }
})();
