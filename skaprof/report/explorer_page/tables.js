// Tables, and rows as CSV.

// A table element. `columns`: [{words, unit, isNumber}]; `cells`: rows of texts, elements, or {text, isLowest, beside}.
function tableOf(caption, columns, rows, foot = []) {
  const head = element("tr", {}, ...columns.map(({ words, unit, isNumber }) => element("th", { scope: "col", class: isNumber && "number" }, words, unit ? element("small", {}, unit) : null)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell, at) => cellOf(cell, columns[at], at === 0))));
  const last = foot.map((cells) => element("tr", {}, ...cells.map((cell, at) => cellOf(cell, columns[at], at === 0))));
  const table = element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
  if (last.length) table.append(element("tfoot", {}, ...last));
  return element("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": caption }, table);
}

function cellOf(cell, column, isFirst) {
  const { text, isLowest, beside, span } = cell !== null && typeof cell === "object" && !(cell instanceof Node) ? cell : { text: cell };
  const made = element(isFirst ? "th" : "td", { scope: isFirst && "row", class: [column.isNumber && "number", isLowest && "lowest"].filter(Boolean).join(" ") || null, colspan: span });
  made.append(text ?? "-");
  if (isLowest) made.append(element("span", { class: "mark", title: "lowest", "aria-label": "lowest" }, "*"));
  if (beside !== undefined) made.append(element("small", {}, beside));
  return made;
}

function swatch(color, name) {
  const chip = shape("svg", { class: "swatch", width: 11, height: 11, "aria-hidden": "true" }, shape("rect", { width: 11, height: 11, rx: 2, fill: color }));
  return element("span", { class: "named" }, chip, name);
}

// The mixers side by side: figures with one prefix a column, the lowest marked, ratios to the baseline beside.
function mixersTable(data, state, look, colors) {
  const rows = look.shown.map((entry) => entry.row);
  const figures = columnsOf(data, rows);
  const formats = figures.map(({ key }) => numberFormat(data, rows.map((row) => row[key])));
  const lowest = figures.map(({ key }) => lowestPlaces(rows.map((row) => row[key])));
  const columns = [{ words: "mixer" }, ...figures.map(({ words, unit }, at) => ({ words, unit: `${formats[at].prefix}${unit}`, isNumber: true }))];
  const base = look.baseline?.row;
  const body = look.entries.map((entry) => {
    const name = swatch(colors[entry.name], entry.name);
    if (!entry.row) return [name, { text: entry.why, span: figures.length }];
    const place = look.shown.indexOf(entry);
    return [name, ...figures.map(({ key }, at) => ({ text: formats[at].text(entry.row[key]), isLowest: lowest[at].includes(place), beside: ratioText(entry.row, base, key) }))];
  });
  return tableOf(captionOf(rows), columns, body);
}

function ratioText(row, base, key) {
  if (!base) return undefined;
  return base[key] ? `${(Number(row[key]) / Number(base[key])).toFixed(3)}x` : "-";
}

function machineTable(data, state, { machine, found }, colors) {
  const times = machine.calibrated || data.measured.length;
  const columns = [{ words: "mixer" }, ...["moved", "FLOPs / byte", "bound by", "at ceilings", ...(machine.calibrated ? ["predicted"] : []), ...(data.measured.length ? ["measured"] : [])].map((words) => ({ words, isNumber: words !== "bound by" }))];
  const body = found.map(({ name, on, measured }) => {
    const cells = [swatch(colors[name], name), si(data, on.bytes, "B"), on.intensity === null ? "-" : significant(on.intensity), on.bound ?? "-", msText(on.ideal_ms)];
    if (machine.calibrated) cells.push(msText(on.predicted_ms));
    if (data.measured.length) cells.push(measured.length ? measured.map((row) => `${msText(row.median_ms)}${measured.length > 1 ? ` (${row.device}, ${row.implementation})` : ""}`).join("; ") : "-");
    return cells;
  });
  const said = `${machine.name}, forward, ${state.dtype}: ${machine.source}, ${machine.date}`;
  return tableOf(times ? said : `${said}; not calibrated here, so nothing is predicted`, columns, body);
}

function msText(value) {
  return value === null || value === undefined ? "-" : `${significant(value)} ms`;
}

// A backbone by stage, the total below, each figure's difference to its own mixers beside it.
function stagesTable(data, state, look) {
  const figures = columnsOf(data, look.rows).filter(({ key }) => key !== "flops");
  const formats = figures.map(({ key }) => numberFormat(data, look.rows.map((row) => row[key])));
  const columns = [{ words: "scope" }, { words: "mixer" }, { words: "grid", isNumber: true }, { words: "dim", isNumber: true }, ...figures.map(({ words, unit }, at) => ({ words, unit: `${formats[at].prefix}${unit}`, isNumber: true }))];
  const cells = (row, own) => [
    row.scope,
    row.scope === "total" ? "" : row.mixer ?? "-",
    row.scope === "total" ? "" : row.height === null ? "-" : gridText(row),
    row.scope === "total" ? "" : row.dim,
    ...figures.map(({ key, unit }, at) => ({ text: row[key] === null ? "-" : formats[at].text(row[key]), beside: differenceText(data, row[key], own[key], unit) })),
  ].map((cell) => (typeof cell === "number" ? grouped(String(cell)) : cell));
  const all = look.rows.map((row, at) => cells(row, look.own[at]));
  const [first] = look.rows;
  const caption = [first.model, `${first.image_height} x ${first.image_width}`, first.mode, first.implementation, `batch ${grouped(String(first.batch))}`, first.dtype].join(", ");
  return tableOf(caption, columns, all.slice(0, -1), all.slice(-1));
}

function gridText({ height, width, tokens }) {
  const beside = tokens - height * width;
  return `${height} x ${width}${beside ? ` + ${beside}` : ""}`;
}

function differenceText(data, value, own, unit) {
  if (value === null || own === null || value === own) return undefined;
  return signed(data, BigInt(value) - BigInt(own), unit);
}

// The whole backbone against itself with its own mixers, in a sentence.
function totalWords(data, look) {
  const [row, own] = [look.rows.at(-1), look.own.at(-1)];
  if (row.mixer === own.mixer) return `${row.model} with its own mixers: ${si(data, row.params)} parameters, ${si(data, row.macs)} MACs, ${si(data, row.traffic_bytes, "B")} of traffic.`;
  const parts = [["params", "parameters", ""], ["macs", "MACs", ""], ["traffic_bytes", "traffic", "B"]].map(([key, noun, unit]) => {
    const change = Number(BigInt(row[key]) - BigInt(own[key]));
    const percent = (100 * change) / Number(own[key]);
    return `${signed(data, BigInt(row[key]) - BigInt(own[key]), unit)} ${noun}${change ? ` (${percent < 0 ? "−" : "+"}${significant(Math.abs(percent), 3)} %)` : ""}`;
  });
  return `Against its own mixers: ${parts.join(", ")}.`;
}

function csvOf(rows) {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [keys, ...rows.map((row) => keys.map((key) => row[key]))].map((cells) => cells.map(cell).join(",")).join("\r\n") + "\r\n";
}
