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

  const paint = (plot, size = {}) => {
    const rows = inked(plot.div.data);
    Plotly.relayout(plot.div, { ...themed(plot.div.layout), ...size });
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
  // Paper has its own width and colours, and Plotly draws for those it finds. Figures
  // are drawn larger and then made smaller, so that they fit a page with their words,
  // and so that wide ones have the room that they have on the screen.
  const shrink = ({ div }) => Math.max(0.6, Math.min(0.8, 660 / parseFloat(div.style.minWidth)));
  let closed = [];
  const printOn = (isPaper) => {
    document.documentElement.classList.toggle("paper", isPaper);
    if (isPaper) closed = [...document.querySelectorAll("details:not([open])")];
    for (const box of closed) box.open = isPaper;
    for (const plot of plots) {
      draw(plot);
      plot.div.style.zoom = 1;
      paint(plot, isPaper ? { width: plot.div.clientWidth / shrink(plot) } : { width: null, autosize: true });
      if (isPaper) plot.div.style.zoom = shrink(plot);
    }
  };
  addEventListener("beforeprint", () => printOn(true));
  addEventListener("afterprint", () => printOn(false));
  const boxes = [...document.querySelectorAll(".scroll")];
  const watcher = new ResizeObserver(() => {
    for (const box of boxes) {
      const isWider = box.firstElementChild.offsetWidth > box.clientWidth + 1;
      box.classList.toggle("wider", isWider);
    }
  });
  for (const box of boxes) {
    watcher.observe(box);
    watcher.observe(box.firstElementChild);
  }

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
