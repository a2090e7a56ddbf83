// Mixers as users name them, their sizes, and what they cost: the rules of the command line, on the program's formulas.

const MAX_SIZE = 10 ** 9;

// What is wrong with a field, in words that stand beside it.
class InputError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

// A mixer that is left out, since it has no such form or that form does not take its sizes; `why` is that.
class LeftOut extends InputError {
  constructor(spec, why) {
    super("implementation", `${spec.text} ${why}`);
    this.why = why;
  }
}

function parseCount(field, text) {
  const digits = String(text).trim();
  const value = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
  if (value < 1 || value > MAX_SIZE) throw new InputError(field, `expected a whole number from 1 to ${MAX_SIZE.toLocaleString("en")}`);
  return value;
}

function optionalCount(field, text) {
  return text === undefined || text === null || text === "" ? null : parseCount(field, text);
}

function oddKernel(field, value) {
  if (value % 2 === 0) throw new InputError(field, "expected an odd number: only that keeps the grid");
  return value;
}

const SIZE_OPTIONS = ["heads", "head_dim", "kernel_size"];

// `NAME[:OPTION=VALUE]...` as {text, name, mixer, options, heads, head_dim, kernel_size}.
function parseSpec(data, text, field = "mixers") {
  const [name, ...settings] = String(text).trim().split(":");
  const known = Object.keys(data.mixers).find((each) => each === name.toLowerCase()) ?? name;
  const mixer = Object.hasOwn(data.mixers, known) ? data.mixers[known] : null;
  if (!mixer) throw new InputError(field, `${name || "nothing"} is no mixer here: expected ${Object.keys(data.mixers).join(", ")}`);
  const spec = { text: known, name: known, mixer, options: { ...mixer.options }, heads: null, head_dim: null, kernel_size: null };
  const allowed = [...Object.keys(mixer.options), ...(mixer.has_heads ? ["heads", "head_dim"] : []), ...(mixer.kernel_size === null ? [] : ["kernel_size"])];
  const given = new Set();
  for (const setting of settings) {
    const [key, value, ...rest] = setting.split("=");
    if (!allowed.includes(key) || value === undefined || rest.length || given.has(key)) {
      const listed = allowed.map((each) => `${each}=...`).join(", ") || "no options";
      throw new InputError(field, `${setting || "nothing"} is no option of ${known}: expected ${listed}, each once`);
    }
    given.add(key);
    spec.text += `:${key}=${setOption(spec, mixer, key, value, field)}`;
  }
  return spec;
}

function setOption(spec, mixer, key, value, field) {
  if (SIZE_OPTIONS.includes(key)) {
    spec[key] = parseCount(field, value);
    if (key === "kernel_size") oddKernel(field, spec[key]);
    return spec[key];
  }
  if (typeof mixer.options[key] === "boolean") {
    const word = value.toLowerCase();
    if (word !== "true" && word !== "false") throw new InputError(field, `${key} of ${spec.name}: expected true or false`);
    spec.options[key] = word === "true";
  } else {
    spec.options[key] = parseCount(field, value);
  }
  return spec.options[key];
}

// The [height, width] of so many tokens, as nearly square as can be.
function nearlySquare(tokens) {
  let side = Math.floor(Math.sqrt(tokens));
  while (tokens % side) side--;
  return [side, tokens / side];
}

function defaultHeadDim(data, dim) {
  let width = Math.min(data.default_head_dim, dim);
  while (dim % width) width--;
  return width;
}

// [heads, head_dim] of a mixer at this dim; the spec's own go before the arguments.
function resolveHeads(data, spec, dim, heads, headDim) {
  if (!spec.mixer.has_heads) return [null, null];
  heads = spec.heads ?? heads;
  headDim = spec.head_dim ?? headDim;
  if (heads !== null && headDim === null) {
    if (dim % heads) throw new InputError("heads", `${spec.text}: ${heads} does not divide dim ${dim}: expected a divisor, or a head dim too`);
    headDim = dim / heads;
  } else if (heads === null) {
    headDim ??= defaultHeadDim(data, dim);
    if (dim % headDim) throw new InputError("head_dim", `${spec.text}: ${headDim} does not divide dim ${dim}: expected a divisor, or heads too`);
    heads = dim / headDim;
  }
  if (spec.options.query === false && heads * headDim !== dim) {
    throw new InputError("heads", `${spec.text}: without a query projection the heads split x itself: expected heads * head dim = dim ${dim}, got ${heads} * ${headDim}`);
  }
  return [heads, headDim];
}

function kernelOf(spec, kernelSize) {
  return spec.mixer.kernel_size === null ? null : oddKernel("kernel_size", spec.kernel_size ?? kernelSize ?? spec.mixer.kernel_size);
}

// The grid that the options of a call name, [height, width].
function gridOf(data, { tokens, size, resolution, patch }) {
  if (size !== undefined) return sidesOf("size", size);
  if (resolution === undefined) return nearlySquare(parseCount("tokens", tokens ?? data.defaults.tokens));
  const by = parseCount("patch", patch ?? data.defaults.patch);
  const sides = sidesOf("resolution", resolution);
  if (sides.some((side) => side % by)) throw new InputError("resolution", `expected sides that the patch size ${by} divides`);
  return sides.map((side) => side / by);
}

// `224`, `800x1280` or [800, 1280] as [height, width].
function sidesOf(field, given) {
  const sides = (Array.isArray(given) ? given : String(given).split(/x/i)).map((side) => parseCount(field, side));
  if (sides.length > 2) throw new InputError(field, "expected a side such as 14, or HEIGHTxWIDTH such as 14x20");
  return sides.length === 1 ? [sides[0], sides[0]] : sides;
}

function choiceOf(field, value, choices) {
  if (!choices.includes(value)) throw new InputError(field, `${value} is not valid: expected ${choices.join(", ")}`);
  return value;
}

// Why a mixer has no such form at these sizes; null where it has.
function whyNot(data, spec, form, classTokens, headDim) {
  if (!(form in spec.mixer.forms[choiceText(spec.options)])) return `has no ${form} form`;
  if (classTokens && !spec.mixer.class_token_forms.includes(form)) return `has no place for a class token in its ${form} form`;
  if (form === "triton" && headDim > data.triton_most_head_dim) return `has heads of ${headDim}, and its triton form takes ${data.triton_most_head_dim} at most`;
  return null;
}

// What a call asks for: a mixer, its form, mode and dtype, and every size.
function workload(data, spec, asked) {
  const form = choiceOf("implementation", asked.implementation ?? "eager", data.forms_known);
  const mode = choiceOf("mode", asked.mode ?? "forward", data.modes);
  const dtype = choiceOf("dtype", asked.dtype ?? "float32", Object.keys(data.dtype_bytes));
  const classTokens = Number(Boolean(asked.class_token));
  const dim = parseCount("dim", asked.dim ?? data.defaults.dim);
  const [height, width] = gridOf(data, asked);
  const [heads, headDim] = resolveHeads(data, spec, dim, optionalCount("heads", asked.heads), optionalCount("head_dim", asked.head_dim));
  const kernelSize = kernelOf(spec, optionalCount("kernel_size", asked.kernel_size));
  const batch = parseCount("batch", asked.batch ?? 1);
  const why = whyNot(data, spec, form, classTokens, headDim);
  if (why) throw new LeftOut(spec, why);
  return { spec, form, mode, dtype, classTokens, batch, height, width, dim, heads, headDim, kernelSize };
}

// The sizes of a workload by the names that formulas have for them.
function symbols(data, w) {
  const numbers = Object.fromEntries(Object.entries(w.spec.options).filter(([, value]) => typeof value === "number"));
  return {
    ...numbers,
    B: w.batch,
    H: w.height,
    W: w.width,
    n: w.height * w.width,
    d: w.dim,
    h: w.heads ?? 0,
    e: w.headDim ?? 0,
    k: w.kernelSize ?? 0,
    s: data.dtype_bytes[w.dtype],
  };
}

// Which of a mixer's formulas its options choose: `bias=false,query=true`.
function choiceText(options) {
  const switches = Object.entries(options).filter(([, value]) => typeof value === "boolean");
  return switches.map(([name, value]) => `${name}=${value}`).sort().join(",");
}

function opsOf(w, evaluation) {
  return evaluation.branch(w.spec.mixer.forms[choiceText(w.spec.options)][w.form][w.classTokens]);
}

// An object with each figure of a list of formulas' places, as `data.metrics` orders them.
function figuresAt(data, evaluation, places) {
  return Object.fromEntries(data.metrics.map((metric, at) => [metric, evaluation.at(places[at])]));
}

// The sums over parts' figures, and the most that one of them holds; null where none is known.
function summed(data, parts) {
  const found = {};
  for (const metric of data.metrics) {
    const values = parts.map((part) => part[metric]).filter((value) => value !== null);
    if (metric === "peak_bytes") found[metric] = values.length ? values.reduce((one, other) => (other > one ? other : one)) : null;
    else found[metric] = values.reduce((one, other) => one + other, 0n);
  }
  return found;
}

// Figures as a row has them: in the order of its keys, each as a Number where that is exact.
function asRow(figures) {
  const { params, macs, ...others } = figures;
  const row = { params: plain(params), macs: plain(macs), flops: plain(2n * macs) };
  for (const [key, value] of Object.entries(others)) row[key] = plain(value);
  row.flops_per_param = params ? quotient(2n * macs, params) : null;
  return row;
}

function identityOf(w) {
  return {
    mixer: w.spec.text,
    implementation: w.form,
    mode: w.mode,
    batch: w.batch,
    height: w.height,
    width: w.width,
    tokens: w.height * w.width + w.classTokens,
    dim: w.dim,
    heads: w.heads,
    head_dim: w.headDim,
    kernel_size: w.kernelSize,
    dtype: w.dtype,
  };
}

// The figures of each op, BigInt: [{op, kind, params, macs, ...}].
function opFigures(data, w, evaluation = data.formulas.exactly(symbols(data, w))) {
  const found = opsOf(w, evaluation);
  return found.ops.map(([op, kind], at) => ({ op, kind, ...figuresAt(data, evaluation, found[w.mode][at]) }));
}

// The row of `skaprof flops`.
function mixerRow(data, text, asked) {
  const w = workload(data, parseSpec(data, text), asked);
  return { ...identityOf(w), ...asRow(summed(data, opFigures(data, w))) };
}

// The rows of `skaprof flops --per-op`.
function opRows(data, text, asked) {
  const w = workload(data, parseSpec(data, text), asked);
  return opFigures(data, w).map(({ op, kind, ...figures }) => {
    const { flops_per_param: _, ...row } = asRow(figures);
    return { ...identityOf(w), op, kind, ...row };
  });
}
