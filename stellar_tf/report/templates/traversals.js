"use strict";
(() => {
  const element = (id) => document.getElementById(id);
  const narrow = matchMedia("(max-width: 55.99rem)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const [MEDIAN, HERE, DIFFERENCE] = [0, 1, 2];
  const MAX_NAMED = 60; // Angstrom
  const WHOLE = "whole range";
  const config = { responsive: true, displaylogo: false, displayModeBar: false };

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const unpack = ({ data, scale, offset }) =>
    Float64Array.from(new Int16Array(bytes(data)), (v) => (v === -32768 ? NaN : offset + scale * v));

  const controls = [...document.querySelectorAll(".control")].map((box) => ({
    box,
    slider: box.querySelector("input"),
    text: box.querySelector("script").textContent,
  }));
  let active = null;
  let playing = null;

  // Of each pixel, the extremes along the dimension: axes that do not jump.
  const read = (control) => {
    if (control.panel) return;
    const panel = JSON.parse(control.text);
    const [wave, median] = [new Float64Array(bytes(panel.wave)), unpack(panel.median)];
    const all = unpack(panel.difference);
    const n = wave.length;
    const differences = panel.positions.map((_, i) => all.subarray(i * n, (i + 1) * n));
    const extreme = (choose) =>
      median.map((_, pixel) => choose(...differences.map((row) => row[pixel])));
    const [low, high] = [extreme(Math.min), extreme(Math.max)];
    Object.assign(control, { panel, wave, median, differences, low, high });
  };

  const spread = (low, high) => {
    const margin = 0.06 * (high - low) || 0.01;
    return [low - margin, high + margin];
  };

  // What of the layout depends on the wavelengths in sight, as plotly's dotted keys.
  const frame = ({ panel, wave, median, low, high }, range) => {
    const [first, last] = range;
    let [bottom, top, down, up] = [Infinity, -Infinity, 0, 0];
    for (let i = 0; i < wave.length; i += 1) {
      if (wave[i] < first || wave[i] > last || Number.isNaN(median[i])) continue;
      bottom = Math.min(bottom, median[i] + low[i]);
      top = Math.max(top, median[i] + high[i]);
      down = Math.min(down, low[i]);
      up = Math.max(up, high[i]);
    }
    // Names of lines would lie over each other in a long stretch.
    const isLegible = !narrow.matches && last - first < MAX_NAMED;
    const names = isLegible ? panel.spectra.layout.annotations || [] : [];
    return {
      "xaxis.range": range,
      "xaxis2.range": range,
      "yaxis.range": bottom > top ? [0, 1] : spread(bottom, top),
      "yaxis2.range": bottom > top ? [-1, 1] : spread(down, up),
      annotations: names.filter(({ x }) => x >= first && x <= last),
    };
  };

  const mark = ([first, last]) => {
    for (const button of element("windows").children) {
      const { low, high } = button.dataset;
      const isHere = Math.abs(low - first) < 0.02 && Math.abs(high - last) < 0.02;
      button.setAttribute("aria-pressed", String(isHere));
    }
    const shade = (x0, x1, opacity) => ({
      type: "rect", x0, x1, y0: 0, y1: 1, xref: "x", yref: "y domain",
      fillcolor: colours().accent, opacity, layer: "below", line: { width: 0 },
    });
    const { overview, windows } = active.panel;
    const offered = windows.filter(({ name }) => name !== WHOLE);
    Plotly.relayout("overview", {
      shapes: [
        ...(overview.layout.shapes || []),
        ...offered.map(({ low, high }) => shade(low, high, 0.15)),
        shade(first, last, 0.3),
      ],
    });
  };

  const look = (range) => {
    Plotly.relayout("spectra", frame(active, range));
    mark(range);
  };

  const show = () => {
    const { panel, slider, median, differences } = active;
    const step = Number(slider.value);
    const difference = differences[step];
    const here = median.map((value, pixel) => value + difference[pixel]);
    Plotly.restyle("spectra", { y: [here, difference] }, [HERE, DIFFERENCE]);
    element("active-words").textContent = panel.words[step];
    slider.setAttribute("aria-valuetext", panel.words[step]);
  };

  // What a small screen has no room for.
  const fit = (layout) => {
    layout.dragmode = touch ? false : "pan";
    layout.height = undefined;
    if (!narrow.matches) return;
    layout.margin = { ...layout.margin, l: 52, r: 6 };
    for (const axis of [layout.xaxis, layout.xaxis2, layout.yaxis, layout.yaxis2]) {
      if (axis && axis.title) axis.title.font = { size: 12 };
    }
    if (!layout.yaxis2) return;
    [layout.yaxis.domain, layout.yaxis2.domain] = [[0.46, 1], [0, 0.36]];
    layout.margin = { ...layout.margin, t: 24, b: 42 };
  };

  const plot = (id, figure, dotted = {}) => {
    const { data, layout } = structuredClone(figure);
    fit(layout);
    for (const trace of data) {
      if (trace.meta && trace.meta.ink) trace.line.color = colours().soft;
    }
    Plotly.react(id, data, layout, config);
    Plotly.relayout(id, { ...themed(layout), ...dotted });
  };

  const offer = (windows) => {
    const buttons = windows.map(({ low, high, name }) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: name });
      Object.assign(button.dataset, { low, high });
      button.addEventListener("click", () => look([low, high]));
      return button;
    });
    element("windows").replaceChildren(...buttons);
  };

  const activate = (control) => {
    if (control === active) return;
    if (active) {
      active.slider.value = active.slider.defaultValue;
      active.slider.removeAttribute("aria-valuetext");
      active.box.classList.remove("active");
    }
    read(control);
    active = control;
    control.box.classList.add("active");
    const { panel, wave, median } = control;
    element("active-title").textContent = panel.title;
    for (const trace of panel.spectra.data) trace.x = wave;
    panel.spectra.data[MEDIAN].y = median;
    offer(panel.windows);
    const range = [panel.windows[0].low, panel.windows[0].high];
    plot("spectra", panel.spectra, frame(control, range));
    plot("overview", panel.overview);
    mark(range);
  };

  const move = (control) => {
    activate(control);
    show();
  };

  const stop = () => {
    clearInterval(playing);
    playing = null;
    element("play").setAttribute("aria-pressed", "false");
    element("play").textContent = "Play";
  };

  let direction = 1;
  const advance = () => {
    const { slider } = active;
    const [value, max] = [Number(slider.value), Number(slider.max)];
    if (value + direction < 0 || value + direction > max) direction = -direction;
    slider.value = value + direction;
    show();
  };

  const redraw = () => {
    const { slider } = active;
    const [value, control] = [slider.value, active];
    const range = element("spectra").layout.xaxis.range.slice();
    active = null;
    activate(control);
    slider.value = value;
    show();
    look(range);
  };

  for (const control of controls) {
    control.slider.value = control.slider.defaultValue;
    control.slider.addEventListener("input", () => {
      stop();
      move(control);
    });
    control.slider.addEventListener("focus", () => move(control));
  }
  element("play").addEventListener("click", () => {
    if (playing) return stop();
    playing = setInterval(advance, 150);
    element("play").setAttribute("aria-pressed", "true");
    element("play").textContent = "Pause";
  });
  element("reset").addEventListener("click", () => {
    stop();
    active.slider.value = active.slider.defaultValue;
    show();
  });
  move(controls[0]);
  element("spectra").on("plotly_relayout", (change) => {
    if (!("xaxis.range[0]" in change)) return;
    look([change["xaxis.range[0]"], change["xaxis.range[1]"]]);
  });
  element("overview").on("plotly_click", ({ points: [{ x }] }) => {
    const { wave, panel } = active;
    const known = wave.some((value, i) => Math.abs(value - x) < 1 && !Number.isNaN(active.median[i]));
    if (!known) return;
    const half = 0.5 * (panel.windows[0].high - panel.windows[0].low);
    look([x - half, x + half]);
  });
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
})();
