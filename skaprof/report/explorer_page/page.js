// The page: state in, everything drawn; and what other programs may ask of it, as window.skaprof.

const data = JSON.parse(document.getElementById("data").textContent);
data.formulas = new Forms(data.forms);
data.totals = new Map();
const byId = (id) => document.getElementById(id);
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let state = null; // the last that could be drawn
let typed = null; // as the fields have it
let shown = {}; // by card: its title, the chart for a theme and a width, and the rows
let scheduled = null;
let addressed = null;

function load(fragment) {
  state = stateOf(data, fragment);
  try {
    lookAt(state);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    state = { ...defaultState(data), view: state.view }; // each part is valid, and together they are not
  }
  typed = { ...state };
}

function lookAt(of) {
  return of.view === "mixers" ? lookAtMixers(data, of) : lookAtBackbone(data, of);
}

// What somebody changed: drawn where it can be, else said beside its field, and the last good numbers stay.
function change(name, value) {
  typed = changed(typed, name, value);
  let error = null;
  try {
    lookAt(typed);
    for (const key of Object.keys(typed)) if (!accepts(data, key, typed[key])) typed[key] = state[key]; // not in use now
    state = { ...typed };
  } catch (problem) {
    if (!(problem instanceof InputError)) throw problem;
    error = problem;
    if (name === "add" || name === "remove") typed = { ...typed, mixers: state.mixers, baseline: state.baseline };
  }
  sayError(error, name === "add" ? "mixers" : name);
  if (!error) schedule();
  return !error;
}

function changed(from, name, value) {
  const mixers = from.mixers.split(",");
  if (name === "add") return { ...from, mixers: [...mixers, value].join(",") };
  if (name === "remove") {
    const left = mixers.filter((text) => text !== value);
    return { ...from, mixers: left.join(","), baseline: from.baseline === value ? left[0] : from.baseline };
  }
  if (name === "model") return { ...from, ...ownOf(data, value) };
  if (name.startsWith("stage-")) {
    const stages = from.stages.split(",");
    stages[Number(name.slice(6)) - 1] = value;
    return { ...from, stages: stages.join(",") };
  }
  return { ...from, [name]: value };
}

function schedule() {
  scheduled ??= requestAnimationFrame(draw);
}

function draw() {
  scheduled = null;
  const theme = prefersDark.matches ? DARK : LIGHT;
  byId("mixers-view").hidden = byId("mixers-fields").hidden = state.view !== "mixers";
  byId("backbones-view").hidden = byId("backbones-fields").hidden = state.view !== "backbones";
  for (const button of document.querySelectorAll("nav button")) button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
  for (const name of BY) for (const field of document.querySelectorAll(`[data-by="${name}"]`)) field.hidden = state.by !== name;
  if (state.view === "mixers") drawMixers(theme);
  else drawBackbone(theme);
  bringTo(data, typed);
  byId("command").replaceChildren(...commandOf(data, state).split(" ").flatMap((word) => [element("span", {}, word), " "]));
  clearTimeout(addressed);
  addressed = setTimeout(address, 100); // browsers allow a page so many addresses a second
}

function address() {
  history.replaceState(null, "", fragmentOf(data, state) || location.pathname + location.search);
}

function drawMixers(theme) {
  const look = lookAtMixers(data, state);
  const colors = (of) => colorsOf(data, look.entries.map((entry) => entry.spec), of);
  const own = colors(theme);
  fillMixerList(data, state, own, change);
  byId("mixers-table").replaceChildren(mixersTable(data, state, look, own));
  byId("findings").replaceChildren(...findingsOf(data, look.shown).map((text) => element("li", {}, text)));
  const column = columnOf(data, state.metric);
  const panels = look.entries.map(({ name, row, ops, why }) => ({ name, why, total: row ? row[state.metric] : null, bars: (ops ?? []).map((op) => ({ name: op.op, value: op[state.metric] })) }));
  const opRowsOf = () => look.shown.flatMap((entry) => opRows(data, entry.name, look.asked));
  show("ops", theme, { title: `${column.words} op by op, ${captionOf(look.shown.map((entry) => entry.row))}`, rows: opRowsOf, chart: (of, width) => barsChart(data, { panels, column, title: `${column.words} of each op` }, of, width, colors(of)) });
  drawCurves(look, column, theme, colors);
  drawMachine(look, theme, colors);
  shown.table = { title: "mixers", rows: () => look.shown.map((entry) => entry.row) };
}

function drawCurves(look, column, theme, colors) {
  const along = lookAlong(data, state, look);
  const marks = along.crossings.flatMap(({ name, marks: of }) => of.map((mark) => ({ ...mark, text: `${name}: ${mark.text}` })));
  const unit = column.unit ? ` (${column.unit})` : "";
  const words = { x: AXES[state.axis], y: `${column.words}${unit}`, xTick: (value) => grouped(String(Number(value.toPrecision(6)))), yTick: (value) => tickText(data, value) };
  const chart = (of, width) => curvesChart(data, { lines: along.lines, marks, here: along.here, words, dots: [], title: `${column.words} along ${AXES[state.axis]}` }, of, width, colors(of));
  const rows = () => along.lines.flatMap(({ name, points }) => points.map(([, , w]) => ({ ...identityOf(w), mixer: name, [state.metric]: asRow(summed(data, opFigures(data, w)))[state.metric] })));
  show("curves", theme, { title: `${column.words} along ${AXES[state.axis]}`, chart, rows });
  byId("crossings").replaceChildren(...crossingWords(data, state, look, along).map((text) => element("li", {}, text)));
}

function drawMachine(look, theme, colors) {
  const { machine, peak, found } = lookOnMachine(data, state, look);
  if (!peak) {
    delete shown.machine;
    byId("machine-chart").replaceChildren(element("p", { class: "note" }, `${machine.name} has no peak for ${state.dtype} here: choose another dtype or machine.`));
    byId("machine-table").replaceChildren();
    return;
  }
  const rows = () => found.flatMap(({ name, on }) => on.kernels.map((kernel) => ({ mixer: name, hardware: machine.id, op: kernel.name, kind: kernel.kind, flops: kernel.flops, elementwise_flops: kernel.elementwise, moved_bytes: kernel.bytes, intensity: kernel.intensity, bound: kernel.bound, ideal_ms: kernel.ideal_ms, predicted_ms: kernel.predicted_ms })));
  const title = `${machine.name}: what mixers and their kernels can reach`;
  show("machine", theme, { title, rows, chart: (of, width) => rooflineChart(data, { machine, peak, found, title }, of, width, colors(of)) });
  byId("machine-table").replaceChildren(machineTable(data, state, { machine, found }, colors(theme)));
}

function drawBackbone(theme) {
  const look = lookAtBackbone(data, state);
  const column = columnOf(data, state.metric);
  fillStages();
  const specs = mixersOfStages();
  byId("stages-table").replaceChildren(stagesTable(data, state, look));
  byId("stages-words").textContent = totalWords(data, look);
  const colorOf = (of) => {
    const colors = colorsOf(data, specs, of);
    return (row) => colors[/^[^*+]*/.exec(row.mixer ?? "")[0]] ?? of.bar;
  };
  const title = `${column.words} of ${state.model} by stage`;
  const chart = (of, width) => stagesChart(data, { rows: look.rows.slice(0, -1), own: look.own.slice(0, -1), column, title, colorOf: colorOf(of) }, of, width);
  show("stages", theme, { title, chart, rows: () => look.rows });
  shown.table = { title: state.model, rows: () => look.rows };
}

function mixersOfStages() {
  const texts = state.stages.split(/[,+]/).map((run) => run.split("*")[0]);
  return [...new Set(texts)].map((text) => parseSpec(data, text));
}

// The field of each stage's mixer.
function fillStages() {
  const stages = state.stages.split(",");
  const list = byId("stage-list");
  if (list.dataset.of !== state.model) {
    list.dataset.of = state.model;
    list.replaceChildren(...stages.map((_, at) => stageField(at + 1)));
  }
  const backbone = data.backbones.find((each) => each.name === state.model);
  for (const [at, text] of (typed.model === state.model ? typed.stages.split(",") : stages).entries()) {
    const input = byId(`f-stage${at + 1}`);
    if (input !== document.activeElement) input.value = text;
    const { depth, dim, mixer } = backbone.stages[at];
    byId(`h-stage${at + 1}`).textContent = `${depth} block${depth === 1 ? "" : "s"} of ${dim}; its own: ${mixer}`;
  }
}

function stageField(number) {
  const input = element("input", { id: `f-stage${number}`, list: "known-mixers", autocomplete: "off", spellcheck: "false", "aria-describedby": `e-stage${number} h-stage${number}` });
  input.addEventListener("input", () => change(`stage-${number}`, input.value.trim()));
  return element("div", { class: "field" }, element("label", { for: input.id }, `Stage ${number}`), input, element("p", { class: "hint", id: `h-stage${number}` }), element("p", { class: "error", id: `e-stage${number}`, "aria-live": "polite" }));
}

// Draws a card's figure, and keeps what its buttons save.
function show(card, theme, what) {
  shown[card] = what;
  const place = byId(`${card}-chart`);
  place.replaceChildren(what.chart(theme, Math.max(280, place.clientWidth)));
}

function save(name, type, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function svgText(card) {
  const made = shown[card].chart(LIGHT, 900);
  return new XMLSerializer().serializeToString(made);
}

function csvText(card) {
  return csvOf(shown[card].rows());
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { readonly: true }, text); // where there is no clipboard to ask
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const words = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = words), 1200);
}

function build() {
  const metricOptions = data.columns.map(({ key, words }) => [key, words]);
  const check = element("input", { type: "checkbox", id: "f-class_token", "aria-describedby": "e-class_token" });
  check.addEventListener("change", () => change("class_token", check.checked ? "1" : ""));
  const classToken = element("div", { class: "field" }, element("label", { class: "check" }, check, "Class token beside the grid"), element("p", { class: "error", id: "e-class_token", "aria-live": "polite" }));
  const by = (name, field) => filled(field, { "data-by": name }, []);
  const own = [
    groupOf("Mixers; the baseline is marked", mixerList(data, change)),
    groupOf("Tokens", switchOf("by", "How tokens are given", [["tokens", "Tokens"], ["resolution", "Resolution"], ["size", "Grid"]], change), by("tokens", fieldOf("tokens", true, change)), by("resolution", fieldOf("resolution", true, change)), by("resolution", fieldOf("patch", true, change)), by("size", fieldOf("size", false, change)), classToken),
    groupOf("Width", ...["dim", "heads", "head_dim", "kernel_size"].map((name) => fieldOf(name, true, change))),
  ];
  byId("mixers-fields").append(...own);
  byId("backbones-fields").append(groupOf("Backbone", selectOf("model", "Backbone", data.backbones.map(({ name }) => [name, name]), change), fieldOf("image", true, change), element("div", { id: "stage-list" }), element("p", { class: "error", id: "e-stages" })));
  const choice = (name, words, values) => selectOf(name, words, values.map((value) => [value, value]), change);
  byId("shared-fields").append(groupOf("Call", fieldOf("batch", true, change), choice("implementation", "Form", data.forms_known), choice("mode", "Mode", data.modes), choice("dtype", "Dtype", Object.keys(data.dtype_bytes))), groupOf("Figures", selectOf("metric", "Quantity", metricOptions, change)));
  byId("known-mixers").append(...suggestions().map((text) => element("option", { value: text })));
  for (const place of document.querySelectorAll("[data-select]")) place.append(selectOf(place.dataset.select, place.dataset.words, { axis: Object.entries(AXES), machine: data.machines.map(({ id, name }) => [id, name]) }[place.dataset.select], change));
  byId("legend").textContent = `${Object.values(data.legend).join("; ")}. Ratios are to the baseline; * marks the lowest. ${Object.entries(data.symbols).map(([symbol, words]) => `${symbol} ${words}`).join(", ")}.`;
  connect();
}

function suggestions() {
  return Object.entries(data.mixers).flatMap(([name, mixer]) => [name, ...Object.entries(mixer.options).map(([option, value]) => `${name}:${option}=${typeof value === "boolean" ? !value : value}`), ...(mixer.has_heads ? [`${name}:head_dim=64`] : []), ...(mixer.kernel_size === null ? [] : [`${name}:kernel_size=5`])]);
}

function connect() {
  for (const button of document.querySelectorAll("nav button")) button.addEventListener("click", () => change("view", button.dataset.view));
  for (const button of document.querySelectorAll("[data-save]")) {
    const [card, kind] = button.dataset.save.split(".");
    button.addEventListener("click", () => {
      if (shown[card]) save(`skaprof-${card}.${kind}`, kind === "svg" ? "image/svg+xml" : "text/csv", kind === "svg" ? svgText(card) : csvText(card));
    });
  }
  byId("copy-command").addEventListener("click", (event) => copy(commandOf(data, state), event.currentTarget));
  byId("copy-link").addEventListener("click", (event) => copy(location.href.split("#")[0] + fragmentOf(data, state), event.currentTarget));
  byId("reset").addEventListener("click", () => go(""));
  addEventListener("hashchange", () => go(location.hash));
  addEventListener("resize", schedule);
  prefersDark.addEventListener("change", schedule);
}

function go(fragment) {
  load(fragment);
  sayError(null);
  schedule();
}

window.skaprof = {
  version: data.version,
  cost: (name, asked) => costOf(data, name, asked),
  ops: (spec, asked) => opRows(data, spec, asked),
  model: (name, asked) => modelRows(data, name, asked),
  roofline: (spec, hardware, asked) => onMachine(data, data.machines.find((machine) => machine.id === hardware), workload(data, parseSpec(data, spec), asked)),
  crossing: (spec, baseline, metric, axis, asked) => solved(data, workload(data, parseSpec(data, spec), asked), workload(data, parseSpec(data, baseline), asked), metric, axis, asked),
  state: () => ({ ...state }),
  command: () => commandOf(data, state),
  svg: svgText,
  csv: csvText,
  draw,
};
build();
load(location.hash);
draw();
