"use strict";
(() => {
  const element = (id) => document.getElementById(id);
  const narrow = matchMedia("(max-width: 55.99rem)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const [MEDIAN, HERE, DIFFERENCE] = [0, 1, 2];
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

  // Ranges of both flux axes for the wavelengths in sight.
  const ranges = ({ wave, median, low, high }, [first, last]) => {
    let [bottom, top, down, up] = [Infinity, -Infinity, 0, 0];
    for (let i = 0; i < wave.length; i += 1) {
      if (wave[i] < first || wave[i] > last || Number.isNaN(median[i])) continue;
      bottom = Math.min(bottom, median[i] + low[i]);
      top = Math.max(top, median[i] + high[i]);
      down = Math.min(down, low[i]);
      up = Math.max(up, high[i]);
    }
    if (bottom > top) return {};
    return { "yaxis.range": spread(bottom, top), "yaxis2.range": spread(down, up) };
  };

  const mark = ([first, last]) => {
    for (const button of element("views").children) {
      const { low, high } = button.dataset;
      const isHere = Math.abs(low - first) < 0.02 && Math.abs(high - last) < 0.02;
      button.setAttribute("aria-pressed", String(isHere));
    }
    const { shapes } = active.panel.overview.layout;
    const here = {
      type: "rect", x0: first, x1: last, y0: 0, y1: 1, xref: "x", yref: "y domain",
      fillcolor: "#0072B2", opacity: 0.3, layer: "below", line: { width: 0 },
    };
    Plotly.relayout("overview", { shapes: [...(shapes || []), here] });
  };

  const look = (range) => {
    Plotly.relayout("spectra", { "xaxis.range": range, ...ranges(active, range) });
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

  // What a small screen has no room for, and what a page's colours decide.
  const fit = (layout) => {
    layout.dragmode = touch ? false : "pan";
    if (!narrow.matches) return layout;
    const [upper, lower] = [layout.yaxis, layout.yaxis2];
    if (lower) {
      layout.annotations = [];
      [upper.domain, lower.domain] = [[0.44, 1], [0, 0.34]];
      layout.margin = { l: 50, r: 6, t: 24, b: 36 };
    }
    return layout;
  };

  const place = (id, { data, layout }) => {
    const copy = fit(structuredClone(layout));
    copy.height = undefined;
    const dotted = themed(copy);
    return Plotly.react(id, data, copy, config).then(() => {
      Plotly.relayout(id, dotted);
      const inked = data.flatMap((trace, i) => (trace.meta && trace.meta.ink ? [i] : []));
      if (inked.length) Plotly.restyle(id, { "line.color": colours().soft }, inked);
    });
  };

  const offer = (views) => {
    const buttons = views.map(({ low, high, name }) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: name });
      Object.assign(button.dataset, { low, high });
      button.addEventListener("click", () => look([low, high]));
      return button;
    });
    element("views").replaceChildren(...buttons);
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
    element("active-title").textContent = control.box.querySelector("label").innerText.trim();
    const { data, layout } = structuredClone(panel.spectra);
    for (const trace of data) trace.x = wave;
    [data[MEDIAN].y, data[HERE].y] = [median, median];
    data[DIFFERENCE].y = control.differences[Number(control.slider.defaultValue)];
    offer(panel.views);
    place("spectra", { data, layout });
    place("overview", panel.overview);
    look([panel.views[0].low, panel.views[0].high]);
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
    const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    Plotly.relayout("spectra", ranges(active, range));
    mark(range);
  });
  element("overview").on("plotly_click", ({ points: [{ x }] }) => {
    const { wave, panel } = active;
    const known = wave.some((value, i) => Math.abs(value - x) < 1 && !Number.isNaN(active.median[i]));
    if (!known) return;
    const half = 0.5 * (panel.views[0].high - panel.views[0].low);
    look([x - half, x + half]);
  });
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
})();
