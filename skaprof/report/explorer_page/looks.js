// What a state shows, in numbers: rows side by side, ops, curves and their crossings, times on a machine, stages.

// The mixers of a state, each with its row and ops, or why it is left out. What does not fit is an InputError.
function lookAtMixers(data, state) {
  const asked = askedOf(state);
  const entries = mixersOf(data, state.mixers).map((spec) => {
    const { w, why } = placeOfMixer(data, spec, state);
    if (why) return { spec, name: spec.text, why };
    const figures = opFigures(data, w);
    const ops = figures.map(({ op, kind, ...own }) => ({ op, kind, ...asRow(own) }));
    return { spec, name: spec.text, w, ops, row: { ...identityOf(w), ...asRow(summed(data, figures)) } };
  });
  const shown = entries.filter((entry) => entry.row);
  if (!shown.length) throw new InputError("implementation", `no mixer here ${entries[0].why}: expected another form, or another mixer`);
  return { asked, entries, shown, baseline: shown.find((entry) => entry.name === state.baseline) ?? null };
}

// The columns that rows have something in: saved in training alone, peak in inference alone.
function columnsOf(data, rows) {
  return data.columns.filter(({ key }) => !["saved_bytes", "peak_bytes"].includes(key) || rows.some((row) => row[key]));
}

function columnOf(data, key) {
  return data.columns.find((column) => column.key === key);
}

// What all rows share: `forward, eager, batch 1, 196 tokens (14 x 14), dim 256, 8 heads of 32, float32`.
function captionOf(rows) {
  const [first] = rows;
  const shared = (key) => {
    const values = new Set(rows.map((row) => row[key]).filter((value) => value !== null));
    return values.size === 1 ? [...values][0] : null;
  };
  const beside = first.tokens - first.height * first.width;
  const grid = `${first.height} x ${first.width}${beside ? ` + ${beside}` : ""}`;
  const [heads, width, kernel] = [shared("heads"), shared("head_dim"), shared("kernel_size")];
  const parts = [first.mode, first.implementation, `batch ${grouped(String(first.batch))}`];
  parts.push(`${grouped(String(first.tokens))} token${first.tokens === 1 ? "" : "s"} (${grid})`, `dim ${grouped(String(first.dim))}`);
  if (heads !== null && width !== null) parts.push(`${grouped(String(heads))} head${heads === 1 ? "" : "s"} of ${width}`);
  if (kernel !== null) parts.push(`${kernel} x ${kernel} kernel`);
  return [...parts, first.dtype].join(", ");
}

// Which mixer needs least of what, in a sentence each.
function findingsOf(data, shown) {
  if (shown.length < 2) return [];
  const nouns = { params: "fewest parameters", macs: "fewest MACs", traffic_bytes: "least activation traffic" };
  const won = new Map();
  for (const [key, noun] of Object.entries(nouns)) {
    const places = lowestPlaces(shown.map(({ row }) => row[key]));
    if (!places.length) continue;
    const names = places.map((at) => shown[at].name).join(" and ");
    won.set(names, [...(won.get(names) ?? []), `${noun} (${si(data, shown[places[0]].row[key], columnOf(data, key).unit)})`]);
  }
  return [...won].map(([names, figures]) => `${names}: ${figures.join(" and ")}`);
}

const MOST_POINTS = 48;

// The whole sizes along an axis at which curves are drawn, and what a call is asked there.
function pointsAlong(data, state, look) {
  const current = Number({ tokens: look.shown[0].w.height * look.shown[0].w.width, dim: state.dim, kernel_size: state.kernel_size || 0, resolution: sidesOf("resolution", state.resolution)[0] }[state.axis] ?? 0);
  if (state.axis === "tokens") {
    const sides = thinned(range(2, Math.max(64, Math.ceil(2 * Math.sqrt(current))), 1));
    return sides.map((side) => [side * side, { size: [side, side], tokens: undefined, resolution: undefined }]);
  }
  if (state.axis === "resolution") {
    const patch = Number(state.patch);
    const sides = thinned(range(patch, Math.max(1024, 2 * current), patch));
    return sides.map((side) => [side, { size: [side / patch, side / patch], tokens: undefined, resolution: undefined }]);
  }
  if (state.axis === "dim") {
    const free = !state.heads && !state.head_dim;
    const step = Number(free ? data.default_head_dim : state.heads && state.head_dim ? 1 : state.heads || state.head_dim);
    const dims = thinned(range(step, Math.max(2048, 2 * current), step));
    return dims.map((dim) => [dim, { dim, head_dim: free ? data.default_head_dim : state.head_dim }]);
  }
  if (state.axis === "heads") {
    const dim = Number(state.dim);
    return range(1, Math.min(dim, 4096), 1).filter((heads) => dim % heads === 0).map((heads) => [heads, { heads }]);
  }
  return range(1, Math.max(15, current), 2).map((kernel) => [kernel, { kernel_size: kernel }]);
}

function range(low, high, step) {
  const found = [];
  for (let at = low; at <= high && found.length < 100000; at += step) found.push(at);
  return found;
}

// Some of a long list, evenly by logarithm.
function thinned(values) {
  if (values.length <= MOST_POINTS) return values;
  const [low, high] = [values[0], values.at(-1)];
  const wanted = Array.from({ length: MOST_POINTS }, (_, at) => low * (high / low) ** (at / (MOST_POINTS - 1)));
  const step = values[1] - values[0];
  return [...new Set(wanted.map((value) => low + Math.round((value - low) / step) * step))];
}

// A metric of a workload, fast: exact below 2^53. Sums are one polynomial, which is made once.
function nearly(data, w, metric) {
  const key = [w.spec.name, choiceText(w.spec.options), w.form, w.mode, w.classTokens, metric].join();
  if (!data.totals.has(key)) data.totals.set(key, metric === "peak_bytes" ? null : totalFormula(data, w, metric));
  const formula = data.totals.get(key);
  return formula ? formula.value(symbols(data, w)) : opByOp(data, w, metric);
}

// The same of what is no polynomial: the sum over its ops, or the most of them.
function opByOp(data, w, metric) {
  const evaluation = data.formulas.nearly(symbols(data, w));
  const key = data.metrics.indexOf(metric === "flops" ? "macs" : metric);
  const values = opsOf(w, evaluation)[w.mode].map((places) => evaluation.at(places[key]) ?? 0);
  if (metric === "peak_bytes") return Math.max(0, ...values);
  return values.reduce((sum, value) => sum + value, 0) * (metric === "flops" ? 2 : 1);
}

// A line for each mixer along the axis, and where each crosses the baseline.
function lookAlong(data, state, look) {
  const axisIsOwn = { heads: (spec) => spec.mixer.has_heads && spec.heads === null, kernel_size: (spec) => spec.mixer.kernel_size !== null && spec.kernel_size === null }[state.axis] ?? (() => true);
  const points = pointsAlong(data, state, look);
  const lines = look.shown.map(({ name, spec }) => {
    const found = [];
    for (const [x, change] of points) {
      try {
        const there = workload(data, spec, { ...look.asked, ...change });
        found.push([x, nearly(data, there, state.metric), there]);
      } catch (error) {
        if (!(error instanceof InputError)) throw error; // sizes that do not fit this mixer
      }
    }
    return { name, points: found, dash: axisIsOwn(spec) ? null : "5 4" };
  });
  const base = lines.find((line) => line.name === state.baseline);
  const crossings = base ? lines.filter((line) => line !== base).map((line) => crossingsOf(data, state, look.asked, line, base)) : [];
  return { lines, crossings, here: hereOn(state, look) };
}

function hereOn(state, look) {
  const { w } = look.shown[0];
  const kernels = look.shown.map((entry) => entry.w.kernelSize).filter(Boolean);
  return { tokens: w.height * w.width, resolution: w.height * Number(state.patch), dim: w.dim, heads: w.heads, kernel_size: kernels[0] ?? 0 }[state.axis];
}

// Where a line crosses the baseline's: between which sizes, at which by the formula, and who needs less before.
function crossingsOf(data, state, asked, line, base) {
  const theirs = new Map(base.points.map(([x, value]) => [x, value]));
  const both = line.points.filter(([x]) => theirs.has(x)).map(([x, value]) => [x, value - theirs.get(x)]);
  const found = [];
  let last = null;
  for (const [x, difference] of both) {
    if (!difference) continue;
    if (last && Math.sign(last[1]) !== Math.sign(difference)) found.push({ low: last[0], high: x, lessBelow: last[1] < 0 });
    last = [x, difference];
  }
  const formula = found.length ? solved(data, line.points[0][2], base.points[0][2], state.metric, state.axis, asked) : null;
  const marks = found.map((crossing) => ({ ...crossing, ...placeOf(crossing, formula, line, base) }));
  const sign = both.find(([, difference]) => difference)?.[1] ?? 0;
  return { name: line.name, marks, always: found.length ? null : Math.sign(sign) };
}

// Where a crossing is: as its formula says, where that is between the two sizes, else where straight lines cross.
function placeOf({ low, high }, formula, line, base) {
  const at = (points, x) => points.find(([each]) => each === x)[1];
  const isIt = formula && formula.at >= low * 0.999999 && formula.at <= high * 1.000001;
  const [d0, d1] = [low, high].map((x) => at(line.points, x) - at(base.points, x));
  const x = isIt ? formula.at : low + ((high - low) * d0) / (d0 - d1);
  const share = Math.log(x / low) / Math.log(high / low);
  const value = Math.exp(Math.log(at(base.points, low)) * (1 - share) + Math.log(at(base.points, high)) * share);
  return { at: x, value, text: isIt ? `${formula.text} = ${shortNumber(x)}` : `${shortNumber(low)} to ${shortNumber(high)}` };
}

function shortNumber(value) {
  return Math.abs(value - Math.round(value)) < 1e-9 * value ? grouped(String(Math.round(value))) : significant(value);
}

// A sentence for each mixer: where it needs less than the baseline.
function crossingWords(data, state, look, { crossings }) {
  const { key, words } = columnOf(data, state.metric);
  const [noun, less] = [words === "params" ? "parameters" : words, ["params", "macs", "flops"].includes(key) ? "fewer" : "less"];
  return crossings.map(({ name, marks, always }) => {
    if (always === 0) return `${name} needs the same ${noun} as ${state.baseline} at every size drawn.`;
    if (always) return `${name} needs ${always < 0 ? less : "more"} ${noun} than ${state.baseline} at every size drawn.`;
    const parts = marks.map(({ text, lessBelow }) => `${lessBelow ? "below" : "above"} ${text}`);
    return `${name} needs ${less} ${noun} than ${state.baseline} ${parts.join(", and ")}.`;
  });
}

// Each mixer on the machine chosen, with the times measured at these sizes.
function lookOnMachine(data, state, look) {
  const machine = data.machines.find((each) => each.id === state.machine);
  const peak = machine.peaks[state.dtype];
  if (!peak) return { machine, peak: null, found: [] };
  const found = look.shown.map(({ name, w }) => ({ name, dtype: w.dtype, on: onMachine(data, machine, { ...w, mode: "forward" }), measured: measuredAt(data, w) }));
  return { machine, peak, found };
}

// A backbone's rows and those of its own mixers at the same size; what does not fit is an InputError.
function lookAtBackbone(data, state) {
  const asked = askedOfNetwork(state);
  const rows = modelRows(data, state.model, asked);
  const own = modelRows(data, state.model, { ...asked, mixers: undefined });
  return { rows, own };
}
