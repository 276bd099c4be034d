"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const plots = [...document.querySelectorAll("figure")].map((figure) => ({
    div: figure.querySelector(".plot"),
    data: figure.querySelector("script"),
    drawn: false,
  }));

  const inked = (traces) =>
    traces.flatMap((trace, index) => (trace.meta && trace.meta.ink ? [index] : []));

  const paint = (plot) => {
    const rows = inked(plot.div.data);
    Plotly.relayout(plot.div, themed(plot.div.layout));
    if (rows.length) Plotly.restyle(plot.div, { "line.color": colours().ink }, rows);
  };

  const draw = (plot) => {
    if (plot.drawn) return;
    plot.drawn = true;
    const { data, layout } = JSON.parse(plot.data.textContent);
    // A finger scrolls the page; it must not draw a zoom box instead.
    layout.dragmode = touch ? false : layout.dragmode || "pan";
    Plotly.newPlot(plot.div, data, layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: touch ? false : "hover",
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    }).then(() => paint(plot));
  };

  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((e) => e.isIntersecting)) {
        draw(plots.find((plot) => plot.div === entry.target));
      }
    },
    { rootMargin: "800px" },
  );
  for (const plot of plots) observer.observe(plot.div);
  // The rest follows one by one, so that the page never stands still for long.
  const drawNext = () => {
    const next = plots.find((plot) => !plot.drawn);
    if (!next) return;
    draw(next);
    setTimeout(drawNext, 30);
  };
  addEventListener("load", () => setTimeout(drawNext, 30));
  addEventListener("beforeprint", () => plots.forEach(draw));
  dark.addEventListener("change", () => plots.filter((p) => p.drawn).forEach(paint));

  const read = (row, column) => {
    const text = row.cells[column].dataset.value;
    const number = Number(text);
    return text === "nan" || text === "" ? null : Number.isNaN(number) ? text : number;
  };
  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => {
        const down = header.getAttribute("aria-sort") !== "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].sort((first, second) => {
          const [a, b] = [read(first, column), read(second, column)];
          if (a === null || b === null) return (a === null) - (b === null);
          const order = a < b ? -1 : a > b ? 1 : 0;
          return down ? -order : order;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }
})();
