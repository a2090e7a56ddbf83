// What is looked at: from and to the address's fragment, and as the command line that prints the same numbers.

function defaultState(data) {
  const [model] = data.backbones;
  const chosen = data.chosen[model.name];
  return {
    view: Object.keys(data.chosen).length && !data.asked_for_mixers ? "backbones" : "mixers",
    by: "tokens",
    tokens: String(data.defaults.tokens),
    size: "14x14",
    resolution: "224",
    patch: String(data.defaults.patch),
    class_token: "",
    dim: String(data.defaults.dim),
    heads: "",
    head_dim: "",
    kernel_size: "",
    batch: "1",
    dtype: "float32",
    implementation: "eager",
    mode: "forward",
    mixers: data.shown.join(","),
    baseline: data.shown[0],
    metric: "macs",
    axis: "tokens",
    machine: data.machines[0].id,
    model: model.name,
    image: String(model.resolution),
    stages: (chosen ?? model.stages.map((stage) => stage.mixer)).join(","),
  };
}

const VIEWS = ["mixers", "backbones"];
const BY = ["tokens", "resolution", "size"];
const GRID_FIELDS = { tokens: ["tokens"], resolution: ["resolution", "patch"], size: ["size"] };
const AXES = { tokens: "tokens", resolution: "resolution", dim: "dim", heads: "heads", kernel_size: "kernel size" };

// Each part of a state on its own: what is wrong with it is an InputError.
const CHECKS = {
  view: (data, value) => choiceOf("view", value, VIEWS),
  by: (data, value) => choiceOf("by", value, BY),
  tokens: (data, value) => parseCount("tokens", value),
  size: (data, value) => sidesOf("size", value),
  resolution: (data, value) => sidesOf("resolution", value),
  patch: (data, value) => parseCount("patch", value),
  class_token: (data, value) => choiceOf("class_token", value, ["", "1"]),
  dim: (data, value) => parseCount("dim", value),
  heads: (data, value) => optionalCount("heads", value),
  head_dim: (data, value) => optionalCount("head_dim", value),
  kernel_size: (data, value) => value === "" || oddKernel("kernel_size", parseCount("kernel_size", value)),
  batch: (data, value) => parseCount("batch", value),
  dtype: (data, value) => choiceOf("dtype", value, Object.keys(data.dtype_bytes)),
  implementation: (data, value) => choiceOf("implementation", value, data.forms_known),
  mode: (data, value) => choiceOf("mode", value, data.modes),
  mixers: (data, value) => mixersOf(data, value),
  baseline: (data, value) => parseSpec(data, value, "baseline"),
  metric: (data, value) => choiceOf("metric", value, data.columns.map((column) => column.key)),
  axis: (data, value) => choiceOf("axis", value, Object.keys(AXES)),
  machine: (data, value) => choiceOf("machine", value, data.machines.map((machine) => machine.id)),
  model: (data, value) => choiceOf("model", value, data.backbones.map((backbone) => backbone.name)),
  image: (data, value) => sidesOf("image", value),
  stages: (data, value) => value.split(",").map((text) => text.split(/[+]/).map((run) => parseSpec(data, run.split("*")[0], "stages"))),
};

// The specs of a list `mhsa,ska`, each once.
function mixersOf(data, text) {
  const specs = text.split(",").map((each) => parseSpec(data, each));
  const twice = specs.find((spec, at) => specs.findIndex((other) => other.text === spec.text) < at);
  if (twice) throw new InputError("mixers", `${twice.text} is there twice: expected each mixer once`);
  return specs;
}

// The state that a fragment tells; of what is not valid in it, the defaults.
function stateOf(data, fragment) {
  const state = defaultState(data);
  const told = new URLSearchParams(fragment.replace(/^#/, ""));
  if (told.has("model") && accepts(data, "model", told.get("model"))) Object.assign(state, ownOf(data, told.get("model")));
  for (const key of Object.keys(state)) {
    if (told.has(key) && accepts(data, key, told.get(key))) state[key] = told.get(key);
  }
  if (!mixersOf(data, state.mixers).some((spec) => spec.text === state.baseline)) state.baseline = mixersOf(data, state.mixers)[0].text;
  return state;
}

function accepts(data, key, value) {
  try {
    CHECKS[key](data, value);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

// A backbone with its own image and mixers.
function ownOf(data, name) {
  const backbone = data.backbones.find((each) => each.name === name);
  return { model: name, image: String(backbone.resolution), stages: backbone.stages.map((stage) => stage.mixer).join(",") };
}

// The fragment that tells a state: what is not as by default.
function fragmentOf(data, state) {
  const plainState = { ...defaultState(data) };
  if (state.model !== plainState.model) Object.assign(plainState, ownOf(data, state.model), { model: plainState.model });
  const told = Object.entries(state).filter(([key, value]) => value !== plainState[key]);
  const text = new URLSearchParams(told).toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%3D", "=");
  return text ? `#${text}` : "";
}

// The options of a call, as `window.skaprof.cost` takes them.
function askedOf(state) {
  const { dim, heads, head_dim, kernel_size, batch, dtype, implementation, mode } = state;
  const grid = Object.fromEntries(GRID_FIELDS[state.by].map((key) => [key, state[key]]));
  return { ...grid, class_token: state.class_token === "1", dim, heads, head_dim, kernel_size, batch, dtype, implementation, mode };
}

function askedOfNetwork(state) {
  const { image, stages, batch, dtype, implementation, mode } = state;
  return { resolution: image, mixers: stages.split(","), batch, dtype, implementation, mode };
}

// The workload of a mixer in a state; where it is left out, why: {w} or {why}.
function placeOfMixer(data, spec, state) {
  try {
    return { w: workload(data, spec, askedOf(state)) };
  } catch (error) {
    if (error instanceof LeftOut) return { why: error.why };
    throw error;
  }
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

// The command that prints what is shown.
function commandOf(data, state) {
  return (state.view === "mixers" ? mixersCommand(data, state) : modelCommand(data, state)).map(quoted).join(" ");
}

function mixersCommand(data, state) {
  const specs = mixersOf(data, state.mixers).filter((spec) => placeOfMixer(data, spec, state).w);
  const words = ["skaprof", "flops", ...specs.flatMap((spec) => ["--mixer", spec.text])];
  for (const key of [...GRID_FIELDS[state.by], "dim", ...["heads", "head_dim", "kernel_size"].filter((each) => state[each])]) {
    words.push(`--${key.replace("_", "-")}`, state[key]);
  }
  words.push(...callWords(state));
  if (state.class_token) words.push("--class-token");
  return specs.some((spec) => spec.text === state.baseline) ? [...words, "--baseline", state.baseline] : words;
}

function modelCommand(data, state) {
  const backbone = data.backbones.find((each) => each.name === state.model);
  const words = ["skaprof", "model", backbone.path ?? state.model];
  for (const [at, text] of state.stages.split(",").entries()) {
    if (text !== backbone.stages[at].mixer) words.push("--stage", `${at + 1}=${text}`);
  }
  return [...words, "--resolution", state.image, ...callWords(state)];
}

// The options of a call that are not as by default.
function callWords(state) {
  const usual = { batch: "1", dtype: "float32", mode: "forward", implementation: "eager" };
  return Object.keys(usual).flatMap((key) => (state[key] === usual[key] ? [] : [`--${key}`, state[key]]));
}
