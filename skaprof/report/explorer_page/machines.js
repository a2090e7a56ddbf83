// Mixers against a machine's ceilings, kernel by kernel, forward: as `skaprof roofline --per-op` has it.

const COUNTED_IN_FLOPS = ["linear", "matmul", "conv2d", "depthwise", "attention", "attention_wide"];

// Each kernel of a mixer: what it computes and moves, as Numbers.
function kernelsOf(data, w) {
  const evaluation = data.formulas.exactly(symbols(data, w));
  const found = opsOf(w, evaluation);
  const figures = found.forward.map((places) => figuresAt(data, evaluation, places));
  let start = 0;
  return evaluation.branch(found.kernels).map(([name, kind, count]) => {
    const own = figures.slice(start, (start += count));
    const sum = (of) => own.reduce((total, each) => total + of(each), 0n);
    return {
      name,
      kind,
      flops: plain(sum((each) => 2n * each.macs)),
      elementwise: plain(sum((each) => each.elementwise_flops)),
      bytes: plain(sum((each) => each.traffic_bytes + each.weight_bytes)),
    };
  });
}

// Seconds of a kernel at the ceilings: its arithmetic, or its bytes.
function idealTimes(kernel, machine, peak) {
  const vector = machine.vector ?? peak;
  const compute = Number(kernel.flops) / peak + Number(kernel.elementwise) / vector;
  return { compute, memory: Number(kernel.bytes) / machine.bandwidth, launch: 0 };
}

// What kernels of a kind reach at so much work, between the measured sizes by logarithms; null where none was measured.
function rateOf(machine, kind, dtype, work) {
  const points = machine.rates.filter((rate) => rate[0] === kind && rate[1] === dtype).map((rate) => [rate[2], rate[3]]);
  if (!points.length) return null;
  points.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  const below = points.filter((point) => point[0] <= work).at(-1) ?? points[0];
  const above = points.find((point) => point[0] >= work) ?? points.at(-1);
  if (above[0] <= below[0]) return below[1];
  const share = Math.log(work / below[0]) / Math.log(above[0] / below[0]);
  return Math.exp(Math.log(below[1]) + share * Math.log(above[1] / below[1]));
}

// Seconds of a kernel at the rates that were measured of its kind; null where the machine is not calibrated for it.
function predictedTimes(kernel, machine, dtype) {
  const inFlops = COUNTED_IN_FLOPS.includes(kernel.kind);
  const [flops, bytes] = [Number(kernel.flops), Number(kernel.bytes)];
  const rate = rateOf(machine, kernel.kind, dtype, inFlops ? flops : bytes);
  if (rate === null || machine.launch === null) return null;
  if (inFlops) {
    const bandwidth = Math.max(machine.bandwidth, rateOf(machine, "elementwise", dtype, bytes) ?? 0);
    return { compute: flops / rate, memory: bytes / bandwidth, launch: machine.launch };
  }
  const vector = machine.vector ?? machine.peaks[dtype];
  return { compute: Number(kernel.elementwise) / vector, memory: bytes / rate, launch: machine.launch };
}

function secondsOf(times) {
  return Math.max(times.compute, times.memory) + times.launch;
}

// A mixer on a machine: {kernels, flops, elementwise, bytes, intensity, bound, ideal_ms, predicted_ms}.
function onMachine(data, machine, w) {
  const peak = machine.peaks[w.dtype];
  const kernels = kernelsOf(data, w).map((kernel) => {
    const ideal = idealTimes(kernel, machine, peak);
    const expected = predictedTimes(kernel, machine, w.dtype);
    const launched = expected && expected.launch > Math.max(expected.compute, expected.memory);
    const bound = launched ? "launch" : ideal.compute >= ideal.memory ? "compute" : "memory";
    const intensity = (Number(kernel.flops) + Number(kernel.elementwise)) / Number(kernel.bytes);
    return { ...kernel, ideal, expected, bound, intensity, ideal_ms: 1e3 * secondsOf(ideal), predicted_ms: expected && 1e3 * secondsOf(expected) };
  });
  const sum = (of) => kernels.reduce((total, kernel) => total + of(kernel), 0);
  const bounds = new Map();
  for (const each of kernels) bounds.set(each.bound, (bounds.get(each.bound) ?? 0) + secondsOf(each.expected ?? each.ideal));
  const flops = sum((each) => Number(each.flops));
  const elementwise = sum((each) => Number(each.elementwise));
  const bytes = sum((each) => Number(each.bytes));
  return {
    kernels,
    flops,
    elementwise,
    bytes,
    intensity: bytes ? (flops + elementwise) / bytes : null,
    bound: [...bounds].sort((one, other) => other[1] - one[1])[0]?.[0] ?? null,
    ideal_ms: sum((each) => each.ideal_ms),
    predicted_ms: kernels.every((each) => each.expected) && kernels.length ? sum((each) => each.predicted_ms) : null,
  };
}

// The measured times of a mixer at exactly these sizes, in this form.
function measuredAt(data, w) {
  const same = { mixer: w.spec.text, form: w.form, mode: w.mode, dtype: w.dtype, batch: w.batch, height: w.height, width: w.width, dim: w.dim, heads: w.heads, head_dim: w.headDim, kernel_size: w.kernelSize, tokens: w.height * w.width + w.classTokens };
  return data.measured.filter((row) => Object.entries(same).every(([key, value]) => row[key] === value));
}
