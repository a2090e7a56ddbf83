// Where two mixers cost the same along a size: the difference of their formulas, solved for it where that is short.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const FACTOR_ORDER = ["s", "B", "k", "n", "d", "a", "h", "e", "p"];
const DEGREE_ORDER = ["d", "a", "n", "k", "h", "e", "B", "s", "p"];

// A polynomial: by a name of its powers, the coefficient and the powers, {d: 2, n: 1}.
class Polynomial {
  constructor() {
    this.terms = new Map(); // and once it is complete, `compiled` for fast values
  }

  add(coefficient, powers) {
    const used = Object.entries(powers).filter(([, power]) => power).sort();
    const key = used.map(([name, power]) => `${name}${power}`).join(" ");
    const sum = (this.terms.get(key)?.coefficient ?? 0n) + coefficient;
    if (sum) this.terms.set(key, { coefficient: sum, powers: Object.fromEntries(used) });
    else this.terms.delete(key);
    return this;
  }

  static of(terms) {
    const found = new Polynomial();
    for (const { coefficient, powers } of terms) found.add(coefficient, powers);
    return found;
  }

  get list() {
    return [...this.terms.values()];
  }

  // Without what all terms have in common, which is above 0: [what is left, the common factor's powers and number].
  reduced() {
    const names = new Set(this.list.flatMap((term) => Object.keys(term.powers)));
    const common = {};
    for (const name of names) common[name] = Math.min(...this.list.map((term) => term.powers[name] ?? 0));
    const number = this.list.reduce((found, term) => greatestDivisor(found, term.coefficient), 0n) || 1n;
    const rest = this.list.map((term) => ({
      coefficient: term.coefficient / number,
      powers: Object.fromEntries([...names].map((name) => [name, (term.powers[name] ?? 0) - common[name]])),
    }));
    return Polynomial.of(rest);
  }

  negated() {
    return Polynomial.of(this.list.map((term) => ({ ...term, coefficient: -term.coefficient })));
  }

  // The coefficient polynomials by the power of a name.
  by(name) {
    const found = new Map();
    for (const { coefficient, powers } of this.list) {
      const { [name]: power = 0, ...others } = powers;
      if (!found.has(power)) found.set(power, new Polynomial());
      found.get(power).add(coefficient, others);
    }
    return found;
  }

  value(sizes) {
    this.compiled ??= this.list.map(({ coefficient, powers }) => [Number(coefficient), Object.entries(powers)]);
    let sum = 0;
    for (const [coefficient, powers] of this.compiled) {
      let product = coefficient;
      for (const [name, power] of powers) product *= sizes[name] ** power;
      sum += product;
    }
    return sum;
  }

  // As a person writes it: `4 n d² + 2 n² d`.
  get text() {
    const ordered = this.list.sort((one, other) => degreesOf(other).localeCompare(degreesOf(one)));
    if (ordered.every((term) => term.coefficient < 0n)) return ordered.map(termText).join(" ");
    ordered.sort((one, other) => Number(other.coefficient > 0n) - Number(one.coefficient > 0n));
    const joined = ordered.map(termText).join(" ");
    return joined.replace(/^\+ /, "") || "0";
  }
}

function greatestDivisor(one, other) {
  [one, other] = [one < 0n ? -one : one, other < 0n ? -other : other];
  while (other) [one, other] = [other, one % other];
  return one;
}

function degreesOf({ powers }) {
  return DEGREE_ORDER.map((name) => String.fromCharCode(65 + (powers[name] ?? 0))).join("");
}

function termText({ coefficient, powers }) {
  const size = coefficient < 0n ? -coefficient : coefficient;
  const names = [...FACTOR_ORDER.filter((name) => name in powers), ...Object.keys(powers).filter((name) => !FACTOR_ORDER.includes(name))];
  const factors = names.map((name) => (powers[name] === 1 ? name : `${name}${[...String(powers[name])].map((digit) => SUPERSCRIPTS[digit] ?? "⁻").join("")}`));
  return `${coefficient < 0n ? "−" : "+"} ${[...(size !== 1n || !factors.length ? [String(size)] : []), ...factors].join(" ")}`;
}

// The sum of a metric's formulas over a mixer's ops; null where one is no polynomial.
function totalFormula(data, w, metric) {
  const [key, factor] = metric === "flops" ? ["macs", 2n] : [metric, 1n];
  const evaluation = data.formulas.exactly(symbols(data, w));
  const ops = opsOf(w, evaluation);
  if (ops !== w.spec.mixer.forms[choiceText(w.spec.options)][w.form][w.classTokens]) return null; // others at other sizes
  const found = new Polynomial();
  for (const places of ops[w.mode]) {
    const form = data.formulas.form(places[data.metrics.indexOf(key)]);
    if (form.kind !== "sum") return null;
    for (const { exact, factors } of form.terms) {
      if (factors.some(([name]) => name.startsWith("$"))) return null;
      found.add(factor * exact, Object.fromEntries(factors));
    }
  }
  return found;
}

// A formula with numbers put in for names, and h * e as the attention dim: `whole` is d, or a where both are given.
function substituted(polynomial, numbers, whole) {
  const found = new Polynomial();
  for (const { coefficient, powers } of polynomial.list) {
    let [value, left] = [coefficient, { ...powers }];
    const both = Math.min(left.h ?? 0, left.e ?? 0);
    if (whole && both) {
      left = { ...left, h: left.h - both, e: left.e - both };
      left[whole] = (left[whole] ?? 0) + both;
    }
    for (const [name, number] of Object.entries(numbers)) {
      if (left[name] > 0) value *= BigInt(number) ** BigInt(left[name]);
      delete left[name];
    }
    found.add(value, left);
  }
  return found;
}

// What one of two mixers' formulas has as numbers, where a name would not mean the same in both.
function fixedSizes(w, other) {
  const numbers = Object.fromEntries(Object.entries(w.spec.options).filter(([, value]) => typeof value === "number"));
  const own = (spec) => spec.heads !== null || spec.head_dim !== null;
  if (own(w.spec) || own(other.spec)) Object.assign(numbers, { h: w.heads ?? 0, e: w.headDim ?? 0 });
  const differs = w.kernelSize !== null && other.kernelSize !== null && w.kernelSize !== other.kernelSize;
  if (w.spec.kernel_size !== null || differs) numbers.k = w.kernelSize;
  return numbers;
}

// The difference of two mixers in a metric over all sizes, without factors that are above 0.
function differenceOf(data, one, other, metric, asked) {
  const formulas = [totalFormula(data, one, metric), totalFormula(data, other, metric)];
  if (formulas.includes(null)) return null;
  const whole = asked.heads && asked.head_dim ? "a" : "d";
  const numbers = [fixedSizes(one, other), fixedSizes(other, one)];
  const [mine, theirs] = formulas.map((formula, at) => substituted(formula, numbers[at], "h" in numbers[at] ? null : whole));
  return Polynomial.of([...mine.list, ...theirs.negated().list]).reduced();
}

// What is left of heads or head dim once h e = d is: along dim or heads, the one that follows from the others.
function alongAxis(polynomial, axis, asked) {
  const gone = axis === "heads" ? "e" : axis === "dim" ? (asked.heads ? "e" : "h") : null;
  if (!gone || (asked.heads && asked.head_dim)) return polynomial;
  const kept = gone === "e" ? "h" : "e";
  const terms = polynomial.list.map(({ coefficient, powers }) => {
    const { [gone]: power = 0, ...others } = powers;
    return { coefficient, powers: { ...others, d: (others.d ?? 0) + power, [kept]: (others[kept] ?? 0) - power } };
  });
  return Polynomial.of(terms).reduced();
}

function inParentheses(polynomial) {
  return polynomial.list.length > 1 ? `(${polynomial.text})` : polynomial.text.replace(/^\+ /, "");
}

function fractionText(above, below) {
  const [top, bottom] = cancelled(above, below);
  return bottom.text === "1" ? top.text.replace(/^\+ /, "") : `${inParentheses(top)} / ${bottom.list.length > 1 || / /.test(bottom.text) ? `(${bottom.text})` : bottom.text}`;
}

// Two polynomials without the monomial and number that both have.
function cancelled(above, below) {
  const terms = [...above.list, ...below.list];
  const names = new Set(terms.flatMap((term) => Object.keys(term.powers)));
  const number = terms.reduce((found, term) => greatestDivisor(found, term.coefficient), 0n);
  const common = Object.fromEntries([...names].map((name) => [name, Math.min(...terms.map((term) => term.powers[name] ?? 0))]));
  const without = (polynomial) => Polynomial.of(polynomial.list.map(({ coefficient, powers }) => ({
    coefficient: coefficient / number,
    powers: Object.fromEntries([...names].map((name) => [name, (powers[name] ?? 0) - common[name]])),
  })));
  return [without(above), without(below)];
}

// The axis of a crossing in words, `n = d / (k² − 1)`, and its value; null where there is none, or it is not short.
function solved(data, one, other, metric, axis, asked) {
  const difference = differenceOf(data, one, other, metric, asked);
  if (!difference || !difference.list.length) return null;
  const name = { tokens: "n", resolution: "n", dim: "d", heads: "h", kernel_size: "k" }[axis];
  const by = alongAxis(difference, axis, asked).by(name);
  const powers = [...by.keys()].sort();
  if (powers.length !== 2 || powers[0] !== 0 || powers[1] > 2) return null;
  let [above, below] = [by.get(0).negated(), by.get(powers[1])];
  const sizes = { ...symbols(data, one), ...named(asked, one, other) };
  if (below.value(sizes) < 0) [above, below] = [above.negated(), below.negated()];
  const inside = above.value(sizes) / below.value(sizes);
  if (!(inside > 0)) return null;
  const fraction = fractionText(above, below);
  const root = powers[1] === 2 ? `√(${fraction})` : fraction;
  if (axis !== "resolution") return { text: `${name} = ${root}`, at: inside ** (1 / powers[1]) };
  const patch = Number(asked.patch ?? data.defaults.patch);
  return { text: `r = p √(${root})`, at: patch * Math.sqrt(inside ** (1 / powers[1])) };
}

// Sizes by name that either mixer has: one of two may have no heads or kernel.
function named(asked, one, other) {
  const either = (key) => one[key] ?? other[key] ?? 0;
  const found = { h: either("heads"), e: either("headDim"), k: either("kernelSize") };
  return { ...found, a: found.h * found.e };
}
