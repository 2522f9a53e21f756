"use strict";
/* Draw every figure of the page in the page's own colours, again where light becomes dark. */
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const colours = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#ee8866", "#44bb99", "#99ddff", "#aaaa00", "#77aadd", "#ffaabb", "#332288"];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  const layoutOf = (own, entries) => {
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--text").trim();
    const line = style.getPropertyValue("--line").trim();
    const axis = (given) => Object.assign({ gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true }, given);
    const narrow = window.innerWidth < 600;
    const rows = narrow ? Math.ceil(entries / 2) : 0; // of a legend above the figure, which has its own height
    return Object.assign({}, own, {
      height: own.height + 20 * rows,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      colorway: colours,
      font: { color: text, family: "system-ui, sans-serif", size: narrow ? 11 : 13 },
      margin: { l: narrow ? 44 : 70, r: 10, t: 10, b: 50 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal", font: { size: narrow ? 10 : 12 } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: line, activecolor: text, orientation: "v" },
      xaxis: axis(own.xaxis),
      yaxis: axis(own.yaxis),
    });
  };

  const draw = () => {
    for (const [name, figure] of Object.entries(figures)) {
      const where = document.getElementById(name);
      Plotly.react(where, figure.data, layoutOf(figure.layout, figure.data.length), { responsive: true, displaylogo: false });
    }
  };
  draw();
  dark.addEventListener("change", draw);
})();
