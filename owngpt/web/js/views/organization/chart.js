/** Stacked bars as SVG. For the eye: a table beside it tells screen readers the same. */
import { h } from "../dom.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [720, 220, 64, 24, 8];
const GAP = 0.25; // of a bar's room
const MAX_LABELS = 6;

/**
 * @param {string} title
 * @param {string[]} labels one for each bar
 * @param {{name: string, values: number[]}[]} series each with a value for every bar
 * @param {(value: number) => string} format
 */
export function barChart(title, labels, series, format) {
  const sums = labels.map((_, index) => series.reduce((sum, { values }) => sum + values[index], 0));
  const top = niceTop(Math.max(...sums));
  const chart = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  chart.append(...axis(top, format), ...bars(labels, series, top, format), ...dates(labels));
  const names = series.map(({ name }, index) => h("li", {}, h("i", { class: `swatch series-${index}` }), name));
  return h("figure", { class: "chart-box" }, chart, h("ul", { class: "legend" }, ...names));
}

function bars(labels, series, top, format) {
  const room = (WIDTH - LEFT) / labels.length;
  return labels.map((label, index) => {
    const group = svg("g", {});
    let y = HEIGHT - BOTTOM;
    for (const [number, { name, values }] of series.entries()) {
      const height = (values[index] / top) * (HEIGHT - BOTTOM - TOP);
      if (!height) continue;
      y -= height;
      const bar = svg("rect", { class: `series-${number}`, x: LEFT + room * (index + GAP / 2), y, width: room * (1 - GAP), height });
      bar.append(svg("title", {}, `${label} · ${name}: ${format(values[index])}`));
      group.append(bar);
    }
    return group;
  });
}

function axis(top, format) {
  return [0, 0.5, 1].flatMap((share) => {
    const y = HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
    return [svg("line", { x1: LEFT, x2: WIDTH, y1: y, y2: y }), svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, format(top * share))];
  });
}

function dates(labels) {
  const [room, step] = [(WIDTH - LEFT) / labels.length, Math.ceil(labels.length / MAX_LABELS)];
  const date = (label, index) => svg("text", { x: LEFT + room * (index + 0.5), y: HEIGHT - 6, "text-anchor": "middle" }, label);
  return labels.map(date).filter((_, index) => index % step === 0);
}

/** The next of 1, 2, 5, 10, 20, ... */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

function svg(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, String(value));
  element.textContent = text;
  return element;
}
