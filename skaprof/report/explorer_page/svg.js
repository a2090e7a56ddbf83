// Elements, scales and axes of figures. Whatever a user names goes in as text.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
const LIGHT = { ink: "#1b1d21", muted: "#5a6069", grid: "#dcdfe4", bar: "#c9ced6", paper: "#ffffff", tint: 0 };
const DARK = { ink: "#eceef1", muted: "#a3abb6", grid: "#343942", bar: "#4b525d", paper: "#1b1e23", tint: 0.42 };

// The colours of mixers by their specs, as figures have them: one a mixer, shades of it for its options.
function colorsOf(data, specs, theme) {
  const found = {};
  const counts = {};
  let others = 1;
  for (const spec of specs) {
    const own = data.colors.mixers[spec.name];
    const base = own ?? data.colors.others[others++ % data.colors.others.length];
    const place = own && spec.text !== spec.name ? (counts[spec.name] = (counts[spec.name] ?? 0) + 1) : 0;
    const shade = [0, -0.35, 0.4, -0.6, 0.6][Math.min(place, 4)];
    found[spec.text] = mixed(mixed(base, shade), theme.tint);
  }
  return found;
}

// A colour towards white, or below 0 towards black.
function mixed(color, towards) {
  const end = towards > 0 ? 255 : 0;
  const parts = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return `#${parts.map((part) => Math.round(part + (end - part) * Math.abs(towards)).toString(16).padStart(2, "0")).join("")}`;
}

function figure(width, height, title, theme) {
  const made = shape("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title, "font-family": FONT, "font-size": 12 });
  made.append(shape("title", {}, title), shape("rect", { width, height, fill: theme.paper }));
  return made;
}

function label(x, y, text, theme, more = {}) {
  return shape("text", { x, y, fill: theme.ink, ...more }, String(text));
}

function widthOf(text, size = 12) {
  return String(text).length * size * 0.62;
}

// A text that fits in so many pixels, its end cut off.
function fitting(text, room, size = 12) {
  const most = Math.max(1, Math.floor(room / (size * 0.62)));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function logScale(low, high, from, to) {
  const [a, b] = [Math.log(low), Math.log(high)];
  const scale = (value) => from + ((Math.log(value) - a) / (b - a || 1)) * (to - from);
  scale.inverse = (at) => Math.exp(a + ((at - from) / (to - from)) * (b - a));
  scale.ticks = logTicks(low, high, Math.abs(to - from) / 60);
  return scale;
}

function linearScale(low, high, from, to) {
  const scale = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  scale.inverse = (at) => low + ((at - from) / (to - from)) * (high - low);
  const step = niceStep((high - low) / Math.max(1, Math.abs(to - from) / 60));
  scale.ticks = [];
  for (let at = Math.ceil(low / step) * step; at <= high * (1 + 1e-9); at += step) scale.ticks.push(at);
  return scale;
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least || 1));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= least);
}

// 1, 2 and 5 of each power of ten where there is room, else each power, or every few of them.
function logTicks(low, high, most) {
  const every = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const step of [1, 2, 5]) every.push([step * 10 ** power, step, power]);
  }
  const inside = every.filter(([value]) => value >= low * 0.999999 && value <= high * 1.000001);
  if (inside.length <= most) return inside.map(([value]) => value);
  const powers = inside.filter(([, step]) => step === 1);
  const stride = Math.max(1, Math.ceil(powers.length / most));
  return powers.filter(([, , power]) => power % stride === 0).map(([value]) => value);
}

// Grid lines with their labels: along the bottom and the left of a frame.
function axes(frame, x, y, words, theme) {
  const group = shape("g", { "font-size": 11 });
  for (const tick of x.ticks) {
    group.append(shape("line", { x1: x(tick), x2: x(tick), y1: frame.top, y2: frame.bottom, stroke: theme.grid }));
    group.append(label(x(tick), frame.bottom + 16, words.xTick(tick), theme, { "text-anchor": "middle", fill: theme.muted }));
  }
  for (const tick of y.ticks) {
    group.append(shape("line", { x1: frame.left, x2: frame.right, y1: y(tick), y2: y(tick), stroke: theme.grid }));
    group.append(label(frame.left - 6, y(tick) + 4, words.yTick(tick), theme, { "text-anchor": "end", fill: theme.muted }));
  }
  group.append(label((frame.left + frame.right) / 2, frame.bottom + 34, words.x, theme, { "text-anchor": "middle", "font-size": 12 }));
  group.append(label(frame.left - 6, frame.top - 10, words.y, theme, { "text-anchor": "start", "font-size": 12, x: 2 }));
  return group;
}

function pathOf(points) {
  return points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

// Labels at the right of a frame, each at its height, pushed apart where they would cover one another.
function spread(heights, gap, low, high) {
  const order = heights.map((height, at) => ({ height, at })).sort((one, other) => one.height - other.height);
  let last = low - gap;
  for (const each of order) last = each.height = Math.max(each.height, last + gap);
  const over = Math.max(0, last - high);
  const found = [];
  for (const each of order) found[each.at] = each.height - over;
  return found;
}
