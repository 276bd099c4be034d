"use strict";
// What of a plot depends on the page's colours; shared by all pages.
const colours = () => {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return {
    ink: get("--ink"), line: get("--line"), card: get("--card"),
    soft: get("--soft"), accent: get("--accent"),
  };
};

// What of a layout depends on the page's colours, as plotly's dotted keys.
const themed = (layout) => {
  const { ink, line, card, soft } = colours();
  const keys = {
    "font.color": ink,
    "legend.bgcolor": "rgba(0,0,0,0)",
    "hoverlabel.bgcolor": card,
    "hoverlabel.bordercolor": line,
    "hoverlabel.font.color": ink,
    "modebar.bgcolor": "rgba(0,0,0,0)",
    "modebar.color": soft,
    "modebar.activecolor": ink,
  };
  for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    keys[`${axis}.gridcolor`] = line;
    keys[`${axis}.linecolor`] = line;
    keys[`${axis}.zerolinecolor`] = line;
    keys[`${axis}.tickcolor`] = line;
  }
  return keys;
};
