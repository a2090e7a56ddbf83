// The figures: bars op by op, curves along a size, a roofline, a backbone's stages. Each is an SVG of a given width.

// Bars of each op, a panel a mixer, all on one scale. `panels`: [{name, total, bars: [{name, value}]}].
function barsChart(data, { panels, column, title }, theme, width, colors) {
  const beside = width >= 840 ? 3 : width >= 560 ? 2 : 1;
  const columns = Math.ceil(panels.length / Math.ceil(panels.length / beside)); // as even as can be
  const [gap, rowHeight, head] = [28, 22, 30];
  const panelWidth = (width - gap * (columns - 1)) / columns;
  const rows = [];
  for (let at = 0; at < panels.length; at += columns) rows.push(panels.slice(at, at + columns));
  const heights = rows.map((row) => head + rowHeight * Math.max(1, ...row.map((panel) => panel.bars.length)) + 14);
  const svg = figure(width, heights.reduce((one, other) => one + other, 0), title, theme);
  const most = Math.max(1, ...panels.flatMap((panel) => panel.bars.map((bar) => Number(bar.value ?? 0))));
  let top = 0;
  for (const [at, row] of rows.entries()) {
    for (const [place, panel] of row.entries()) {
      const left = place * (panelWidth + gap);
      svg.append(barsPanel(data, panel, column, { left, top, width: panelWidth, rowHeight, head, most, color: colors[panel.name] }, theme));
    }
    top += heights[at];
  }
  return svg;
}

function barsPanel(data, panel, column, { left, top, width, rowHeight, head, most, color }, theme) {
  const group = shape("g", {});
  const total = panel.total === null ? "-" : si(data, panel.total, column.unit);
  group.append(shape("rect", { x: left, y: top + 6, width: 11, height: 11, rx: 2, fill: color }));
  group.append(label(left + 18, top + 16, fitting(panel.name, width - 28 - widthOf(total, 13), 13), theme, { "font-weight": 600, "font-size": 13 }));
  group.append(label(left + width, top + 16, total, theme, { "text-anchor": "end", "font-size": 13 }));
  const names = Math.min(112, 10 + Math.max(0, ...panel.bars.map((bar) => widthOf(bar.name))));
  const room = width - names - 66;
  for (const [at, bar] of panel.bars.entries()) {
    const y = top + head + at * rowHeight;
    const value = bar.value === null ? null : Number(bar.value);
    const length = value ? Math.max(1.5, (value / most) * room) : 0;
    group.append(label(left, y + 13, fitting(bar.name, names - 6), theme, { fill: theme.muted }));
    group.append(shape("rect", { x: left + names, y: y + 2, width: length, height: rowHeight - 7, rx: 2, fill: color }));
    group.append(label(left + names + length + 6, y + 13, value === null ? "-" : si(data, bar.value, column.unit), theme, { "font-size": 11 }));
  }
  if (!panel.bars.length) group.append(label(left, top + head + 13, panel.why ?? "no ops: nothing is computed", theme, { fill: theme.muted }));
  return group;
}

// Lines along a size. `lines`: [{name, points: [[x, y]]}]; `marks`: [{at, value, text}]; `here`: the size chosen.
function curvesChart(data, { lines, marks, here, words, title, dots }, theme, width, colors) {
  const height = Math.round(Math.min(430, Math.max(300, width * 0.46)));
  const ends = Math.min(164, 26 + Math.max(0, ...lines.map((line) => widthOf(line.name))));
  const frame = { left: 62, right: width - (width < 520 ? 14 : ends), top: 34, bottom: height - 46 };
  const svg = figure(width, height, title, theme);
  const all = [...lines.flatMap((line) => line.points), ...dots.map((dot) => [dot.x, dot.y])].filter(([, y]) => y > 0);
  if (!all.length) {
    svg.append(label(16, 40, "There is nothing to draw: it is 0, or of no mixer here.", theme, { fill: theme.muted }));
    return svg;
  }
  const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)];
  const x = logScale(Math.min(...xs), Math.max(...xs), frame.left, frame.right);
  const y = logScale(Math.min(...ys) / 1.15, Math.max(...ys) * 1.15, frame.bottom, frame.top);
  svg.append(axes(frame, x, y, words, theme));
  if (here >= Math.min(...xs) && here <= Math.max(...xs)) {
    svg.append(shape("line", { x1: x(here), x2: x(here), y1: frame.top, y2: frame.bottom, stroke: theme.muted, "stroke-dasharray": "2 3" }));
  }
  for (const line of lines) {
    const points = line.points.filter(([, value]) => value > 0).map(([at, value]) => [x(at), y(value)]);
    if (!points.length) continue;
    svg.append(shape("path", { d: pathOf(points), fill: "none", stroke: colors[line.name], "stroke-width": 2.2, "stroke-linejoin": "round", "stroke-dasharray": line.dash }));
    if (points.length < 16) for (const [px, py] of points) svg.append(shape("circle", { cx: px, cy: py, r: 2.6, fill: colors[line.name] }));
  }
  for (const dot of dots) svg.append(shape("circle", { cx: x(dot.x), cy: y(dot.y), r: 4, fill: theme.paper, stroke: colors[dot.name], "stroke-width": 2 }));
  if (width >= 520) svg.append(endLabels(lines, y, frame, theme, colors));
  svg.append(crossingMarks(marks, x, y, frame, theme));
  svg.dataset.frame = JSON.stringify(frame);
  svg.scaleX = x;
  return svg;
}

function endLabels(lines, y, frame, theme, colors) {
  const group = shape("g", {});
  const shown = lines.filter((line) => line.points.at(-1)?.[1] > 0);
  const heights = spread(shown.map((line) => y(line.points.at(-1)[1])), 15, frame.top, frame.bottom);
  for (const [at, line] of shown.entries()) {
    group.append(shape("rect", { x: frame.right + 6, y: heights[at] - 4, width: 8, height: 8, rx: 2, fill: colors[line.name] }));
    group.append(label(frame.right + 18, heights[at] + 4, fitting(line.name, 130), theme));
  }
  return group;
}

function crossingMarks(marks, x, y, frame, theme) {
  const group = shape("g", { "font-size": 11.5 });
  const heights = spread(marks.map((mark) => y(mark.value) - 12), 17, frame.top + 6, frame.bottom - 10);
  for (const [at, mark] of marks.entries()) {
    const [px, py] = [x(mark.at), y(mark.value)];
    const [left, right] = [px - frame.left - 12, frame.right - px - 12];
    const isLeft = right < widthOf(mark.text, 11.5) && left > right;
    const text = fitting(mark.text, isLeft ? left : right, 11.5);
    group.append(shape("circle", { cx: px, cy: py, r: 5, fill: theme.paper, stroke: theme.ink, "stroke-width": 2 }));
    const place = { x: isLeft ? px - 9 : px + 9, "text-anchor": isLeft ? "end" : "start" };
    const halo = { stroke: theme.paper, "stroke-width": 4, "stroke-linejoin": "round", "paint-order": "stroke" };
    group.append(label(0, heights[at], text, theme, { ...place, ...halo, "font-weight": 600 }));
  }
  return group;
}

// Ceilings of a machine, each kernel as a small dot and each mixer as a large one, at what it could reach.
function rooflineChart(data, { machine, peak, found, title }, theme, width, colors) {
  const height = Math.round(Math.min(430, Math.max(300, width * 0.46)));
  const frame = { left: 62, right: width - 18, top: 34, bottom: height - 46 };
  const svg = figure(width, height, title, theme);
  const ridge = peak / machine.bandwidth;
  const kernels = found.flatMap((each) => each.on.kernels.map((kernel) => ({ ...kernel, mixer: each.name }))).filter((kernel) => kernel.intensity > 0);
  const intensities = [...kernels.map((kernel) => kernel.intensity), ridge];
  const x = logScale(Math.min(...intensities) / 2, Math.max(...intensities) * 3, frame.left, frame.right);
  const [low, high] = [x.inverse(frame.left) * machine.bandwidth, peak * 2];
  const y = logScale(low, high, frame.bottom, frame.top);
  const tick = (value) => tickText(data, value);
  svg.append(axes(frame, x, y, { x: "FLOPs per byte moved, elementwise ones too", y: "FLOP/s within reach", xTick: (value) => String(Number(value.toPrecision(3))), yTick: tick }, theme));
  const roof = [[frame.left, y(low)], [x(ridge), y(peak)], [frame.right, y(peak)]];
  svg.append(shape("path", { d: pathOf(roof), fill: "none", stroke: theme.ink, "stroke-width": 2 }));
  svg.append(label(frame.right, y(peak) - 7, `${si(data, peak, "FLOP/s")} ${found[0]?.dtype ?? ""}`, theme, { "text-anchor": "end", "font-size": 11 }));
  const slope = (-Math.atan2(y(low) - y(peak), x(ridge) - frame.left) * 180) / Math.PI;
  const middle = [(frame.left + x(ridge)) / 2, (y(low) + y(peak)) / 2 - 8];
  if (x(ridge) - frame.left > 90) svg.append(label(...middle, si(data, machine.bandwidth, "B/s"), theme, { "text-anchor": "middle", "font-size": 11, transform: `rotate(${slope.toFixed(1)} ${middle.map((at) => at.toFixed(1)).join(" ")})` }));
  const reach = (intensity, flops, seconds) => y(Math.min(high, Math.max(low, flops / seconds)));
  for (const kernel of kernels) {
    const at = reach(kernel.intensity, Number(kernel.flops) + Number(kernel.elementwise), kernel.ideal_ms / 1e3);
    const dot = shape("circle", { cx: x(kernel.intensity), cy: at, r: 3.2, fill: colors[kernel.mixer], "fill-opacity": 0.65 });
    dot.append(shape("title", {}, `${kernel.mixer}, ${kernel.name}`));
    svg.append(dot);
  }
  return withMixers(svg, found, x, reach, frame, theme, colors);
}

function withMixers(svg, found, x, reach, frame, theme, colors) {
  const placed = found.filter((each) => each.on.intensity > 0).map((each) => ({ ...each, x: x(each.on.intensity), y: reach(each.on.intensity, each.on.flops + each.on.elementwise, each.on.ideal_ms / 1e3) }));
  const taken = [];
  for (const each of placed.sort((one, other) => one.y - other.y)) {
    const isLeft = each.x + 16 + widthOf(each.name) > frame.right;
    const height = freeHeight(taken, isLeft ? each.x - 10 - widthOf(each.name) : each.x + 10, each.y + 20, widthOf(each.name));
    const halo = { stroke: theme.paper, "stroke-width": 4, "stroke-linejoin": "round", "paint-order": "stroke" };
    svg.append(shape("circle", { cx: each.x, cy: each.y, r: 7, fill: colors[each.name], stroke: theme.paper, "stroke-width": 2 }));
    svg.append(label(isLeft ? each.x - 10 : each.x + 10, height, each.name, theme, { ...halo, "text-anchor": isLeft ? "end" : "start", "font-weight": 600 }));
  }
  return svg;
}

// The first height from `y` down at which a label covers none of those `taken`.
function freeHeight(taken, x, y, width) {
  while (taken.some((other) => Math.abs(other.y - y) < 15 && x < other.x + other.width && other.x < x + width)) y += 15;
  taken.push({ x, y, width });
  return y;
}

// A backbone's stages: what its mixers hold in colour, the rest grey, and a line where its own mixers would end.
function stagesChart(data, { rows, own, column, title, colorOf }, theme, width) {
  const [rowHeight, names] = [34, 74];
  const svg = figure(width, rows.length * rowHeight + 6, title, theme);
  const room = width - names - 84;
  const value = (row) => Number(row[column.key] ?? 0);
  const most = Math.max(1, ...rows.map(value), ...own.map(value));
  for (const [at, row] of rows.entries()) {
    const y = at * rowHeight + 6;
    const mixer = Number(row[`mixer_${column.key}`] ?? 0);
    const [all, inner] = [(value(row) / most) * room, (mixer / most) * room];
    svg.append(label(0, y + 16, row.scope, theme, { fill: theme.muted }));
    svg.append(shape("rect", { x: names, y: y + 2, width: all, height: 20, rx: 2, fill: theme.bar }));
    if (inner) svg.append(shape("rect", { x: names, y: y + 2, width: inner, height: 20, rx: 2, fill: colorOf(row) }));
    const end = names + (value(own[at]) / most) * room;
    if (value(own[at]) !== value(row)) svg.append(shape("line", { x1: end, x2: end, y1: y - 1, y2: y + 25, stroke: theme.ink, "stroke-width": 2 }));
    svg.append(label(names + Math.max(all, value(own[at]) !== value(row) ? end - names : 0) + 7, y + 16, row[column.key] === null ? "-" : si(data, row[column.key], column.unit), theme, { "font-size": 11 }));
  }
  return svg;
}
