// Whole backbones by stage: sums of the program's formulas for stem, blocks, mixers, downsampling and head.

// `ska`, or runs of blocks `mhsa*5+ska*4`, for a stage of so many blocks: the text, and each spec with its count.
function parseStageMixers(data, text, depth, field) {
  const runs = String(text).split("+").map((run) => {
    const [name, count] = run.split("*");
    const spec = parseSpec(data, name, field);
    return { spec, count: count === undefined ? null : parseCount(field, count) };
  });
  if (runs.length === 1 && runs[0].count === null) return { text: runs[0].spec.text, runs: [{ spec: runs[0].spec, count: depth }] };
  const blocks = runs.reduce((sum, run) => sum + (run.count ?? 1), 0);
  if (blocks !== depth) throw new InputError(field, `expected mixers for ${depth} block${depth === 1 ? "" : "s"}, and this names ${blocks}`);
  const texts = runs.map((run) => (run.count === null ? run.spec.text : `${run.spec.text}*${run.count}`));
  return { text: texts.join("+"), runs: runs.map((run) => ({ spec: run.spec, count: run.count ?? 1 })) };
}

// `caformer_s18`, `caformer_s18[stage3=ska]`: the backbone, and the text of each stage's mixers.
function parseBackbone(data, text) {
  const [, name, inside] = /^([^[]*)(?:\[(.*)\])?$/.exec(String(text).trim()) ?? [null, String(text)];
  const backbone = data.backbones.find((each) => each.name === name);
  if (!backbone) throw new InputError("model", `${name || "nothing"} is no backbone here: expected ${data.backbones.map((each) => each.name).join(", ")}`);
  const texts = backbone.stages.map((stage) => stage.mixer);
  for (const override of inside ? inside.split(",") : []) {
    const [place, mixer] = override.split(/=(.*)/s);
    const number = /^stage([1-9][0-9]*)$/.exec(place)?.[1];
    if (!mixer || !(number <= texts.length)) throw new InputError("model", `${override}: expected stage1=SPEC to stage${texts.length}=SPEC`);
    texts[number - 1] = mixer;
  }
  return { backbone, texts };
}

// The [height, width] of each stage's grid for an image.
function stageGrids(data, backbone, [height, width]) {
  const steps = (side, [K, S, P]) => Number(data.formulas.exactly({ x: side, K, S, P }).at(data.steps));
  const window = backbone.stem_window;
  if (backbone.stem !== "convolution" && (height % window[1] || width % window[1])) {
    throw new InputError("image", `expected sides that the patch size ${window[1]} of ${backbone.name} divides`);
  }
  const grids = [[steps(height, window), steps(width, window)]];
  while (grids.length < backbone.stages.length) grids.push(grids.at(-1).map((side) => side && steps(side, backbone.downsampling_window)));
  const gone = grids.findIndex((grid) => !grid[0] || !grid[1]);
  if (gone >= 0) throw new InputError("image", `expected larger sides: nothing is left of them in stage ${gone + 1} of ${backbone.name}`);
  return grids;
}

// The network that a call asks for: each stage with its grid and mixers, and what it is asked in.
function makeNetwork(data, name, asked = {}) {
  const { backbone, texts } = parseBackbone(data, name);
  const chosen = asked.mixers ?? texts;
  if (chosen.length !== backbone.stages.length) throw new InputError("mixers", `expected ${backbone.stages.length} mixers, one a stage`);
  const stages = backbone.stages.map((stage, at) => ({ ...stage, number: at + 1, ...parseStageMixers(data, chosen[at], stage.depth, `stage${at + 1}`) }));
  const image = sidesOf("image", asked.resolution ?? backbone.resolution);
  const specs = stages.flatMap((stage) => stage.runs.map((run) => run.spec));
  const classTokens = Number(backbone.class_token && specs.every((spec) => spec.mixer.class_token_forms.length > 0));
  const network = {
    backbone,
    image,
    classTokens,
    batch: parseCount("batch", asked.batch ?? 1),
    dtype: choiceOf("dtype", asked.dtype ?? "float32", Object.keys(data.dtype_bytes)),
    mode: choiceOf("mode", asked.mode ?? "forward", data.modes),
    form: choiceOf("implementation", asked.implementation ?? "eager", data.forms_known),
    hasHead: asked.has_head ?? true,
  };
  const grids = stageGrids(data, backbone, image);
  network.stages = stages.map((stage, at) => ({ ...stage, grid: grids[at], placed: stage.runs.map((run) => placed(data, network, stage, grids[at], run)) }));
  return network;
}

// A mixer in its blocks: its workload there, in the form asked for where it has that, else in eager form.
function placed(data, network, stage, [height, width], { spec, count }) {
  const { backbone, classTokens } = network;
  let heads = [];
  try {
    heads = resolveHeads(data, spec, stage.dim, null, spec.heads === null ? backbone.head_dim : null);
  } catch (error) {
    throw new InputError(`stage${stage.number}`, error.message);
  }
  const form = whyNot(data, spec, network.form, classTokens, heads[1]) ? "eager" : network.form;
  const sizes = { batch: network.batch, height, width, dim: stage.dim, heads: heads[0], headDim: heads[1], kernelSize: kernelOf(spec, null) };
  return { count, w: { spec, form, mode: network.mode, dtype: network.dtype, classTokens, ...sizes } };
}

function styleOf(data, network, stage) {
  const { stem, head, norm, bias, activation } = network.backbone;
  return data.styles[[stem, head, norm, bias, activation, stage.residual_scale, network.classTokens].join(",")][network.mode];
}

function windowSizes([K, S, P]) {
  return { K, S, P };
}

// The figures of every part, BigInt: [{scope, isMixer, count, figures}], in the order they run.
function networkParts(data, network) {
  const { backbone, stages } = network;
  const shared = { B: network.batch, I: network.image[0] * network.image[1], c: backbone.classes, s: data.dtype_bytes[network.dtype] };
  const parts = [];
  const add = (scope, places, sizes, count = 1, isMixer = false) => {
    const evaluation = data.formulas.exactly({ ...shared, ...sizes });
    parts.push({ scope, isMixer, count, figures: figuresAt(data, evaluation, places) });
  };
  const sizesOf = (stage) => ({ H: stage.grid[0], W: stage.grid[1], n: stage.grid[0] * stage.grid[1], d: stage.dim, r: stage.mlp_ratio });
  add("stem", styleOf(data, network, stages[0]).stem, { ...sizesOf(stages[0]), ...windowSizes(backbone.stem_window) });
  for (const [at, stage] of stages.entries()) {
    const scope = `stage${at + 1}`;
    const style = styleOf(data, network, stage);
    if (at) {
      const before = { q: stages[at - 1].grid[0] * stages[at - 1].grid[1], D: stages[at - 1].dim };
      add(scope, style.downsampling, { ...sizesOf(stage), ...before, ...windowSizes(backbone.downsampling_window) });
    }
    add(scope, style.block, sizesOf(stage), stage.depth);
    for (const each of stage.placed) parts.push(mixerPart(data, scope, shared, each));
  }
  if (network.hasHead) add("head", styleOf(data, network, stages.at(-1)).head, sizesOf(stages.at(-1)));
  return parts;
}

// A mixer's figures are those it has alone, but for the peak: around it, the block holds what it needs.
function mixerPart(data, scope, shared, { w, count }) {
  const evaluation = data.formulas.exactly({ ...symbols(data, w), I: shared.I });
  const figures = summed(data, opFigures(data, w, evaluation));
  figures.peak_bytes = w.mode === "forward" ? evaluation.at(w.spec.mixer.inside[choiceText(w.spec.options)][w.form][w.classTokens]) : null;
  return { scope, isMixer: true, count, figures };
}

function timesCount(data, { figures, count }) {
  const entries = data.metrics.map((metric) => [metric, metric === "peak_bytes" || figures[metric] === null ? figures[metric] : figures[metric] * BigInt(count)]);
  return Object.fromEntries(entries);
}

// The rows of `skaprof model`, a row a stage, and the total's: keys of sizes and figures.
function modelRows(data, name, asked = {}) {
  const network = makeNetwork(data, name, asked);
  const parts = networkParts(data, network).map((part) => ({ ...part, figures: timesCount(data, part) }));
  const own = { model: network.backbone.name };
  const about = { image_height: network.image[0], image_width: network.image[1], implementation: network.form, mode: network.mode, batch: network.batch, dtype: network.dtype };
  const rowOf = (scope, of) => {
    const mixers = summed(data, of.filter((part) => part.isMixer).map((part) => part.figures));
    return {
      ...own,
      scope,
      ...about,
      ...scopeSizes(network, scope),
      ...asRow(summed(data, of.map((part) => part.figures))),
      ...Object.fromEntries(["params", "macs", "traffic_bytes"].map((metric) => [`mixer_${metric}`, plain(mixers[metric])])),
    };
  };
  const scopes = [...new Set(parts.map((part) => part.scope))];
  const rows = scopes.map((scope) => rowOf(scope, parts.filter((part) => part.scope === scope)));
  return [...rows, rowOf("total", parts)];
}

// What a row says of its tokens and its mixer; null where there are several or none.
function scopeSizes(network, scope) {
  const none = { mixer: null, height: null, width: null, tokens: null, dim: null, heads: null, head_dim: null, kernel_size: null };
  if (scope === "total") return { ...none, mixer: network.stages.map((stage) => stage.text).join(",") };
  if (scope === "head") return { ...none, dim: network.stages.at(-1).dim };
  const stage = scope === "stem" ? network.stages[0] : network.stages[Number(scope.slice(5)) - 1];
  const [height, width] = stage.grid;
  const grid = { height, width, tokens: height * width + network.classTokens, dim: stage.dim };
  if (scope === "stem") return { ...none, ...grid };
  const alike = (key) => {
    const values = new Set(stage.placed.map((each) => each.w[key]));
    return values.size === 1 ? [...values][0] : null;
  };
  return { ...none, ...grid, mixer: stage.text, heads: alike("heads"), head_dim: alike("headDim"), kernel_size: alike("kernelSize") };
}

// A mixer's row, or the total of a backbone where the name is of one.
function costOf(data, name, asked = {}) {
  const base = String(name).split("[")[0];
  if (!data.backbones.some((each) => each.name === base)) return mixerRow(data, name, asked);
  return modelRows(data, name, asked).at(-1);
}
