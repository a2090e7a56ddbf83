// Formulas as the program wrote them: `4*B*d*n^2+$3`, `max(3,7)`; evaluated exactly on BigInt, or fast on Number.

const CALL = /^(max|floor|mod|above|zero)\((.*)\)$/;

function parseForm(text) {
  const call = CALL.exec(text);
  if (call) return { kind: call[1], parts: call[2].split(",").map(Number) };
  return { kind: "sum", terms: text.split("+").map(parseTerm) };
}

function parseTerm(text) {
  const term = { exact: 1n, near: 1, factors: [] };
  for (const factor of text.split("*")) {
    if (/^-?\d+$/.test(factor)) {
      term.exact = BigInt(factor);
      term.near = Number(factor);
    } else {
      const [name, power] = factor.split("^");
      term.factors.push([name, Number(power ?? 1)]);
    }
  }
  return term;
}

function floorDivided(above, below) {
  if (typeof above === "number") return Math.floor(above / below);
  const quotient = above / below; // towards 0
  return above % below !== 0n && (above < 0n) !== (below < 0n) ? quotient - 1n : quotient;
}

class Forms {
  constructor(texts) {
    this.texts = texts;
    this.parsed = new Array(texts.length);
  }

  form(place) {
    return (this.parsed[place] ??= parseForm(this.texts[place]));
  }

  // The value of formulas at sizes {B: 1, n: 196, ...}: whole numbers to the digit, or floating-point ones.
  exactly(sizes) {
    const whole = Object.fromEntries(Object.entries(sizes).map(([name, value]) => [name, BigInt(value)]));
    return new Evaluation(this, whole, "exact", 0n);
  }

  nearly(sizes) {
    return new Evaluation(this, sizes, "near", 0);
  }
}

class Evaluation {
  constructor(forms, sizes, which, zero) {
    Object.assign(this, { forms, sizes, which, zero, known: new Map() });
  }

  at(place) {
    if (place === null) return null;
    let value = this.known.get(place);
    if (value === undefined) {
      value = this.#value(this.forms.form(place));
      this.known.set(place, value);
    }
    return value;
  }

  // One branch of {"if": kind, "of": place, "yes": ..., "no": ...}; anything else is what it is.
  branch(tree) {
    while (tree !== null && typeof tree === "object" && "if" in tree) tree = this.#holds(tree.if, tree.of) ? tree.yes : tree.no;
    return tree;
  }

  #holds(kind, place) {
    return kind === "above" ? this.at(place) > this.zero : this.at(place) === this.zero;
  }

  #value(form) {
    const { kind, parts } = form;
    if (kind === "sum") return this.#sum(form.terms);
    if (kind === "max") return parts.map((part) => this.at(part)).reduce((one, other) => (other > one ? other : one));
    if (kind === "floor") return floorDivided(this.at(parts[0]), this.at(parts[1]));
    if (kind === "mod") {
      const [above, below] = [this.at(parts[0]), this.at(parts[1])];
      return above - below * floorDivided(above, below);
    }
    return this.at(this.#holds(kind, parts[0]) ? parts[1] : parts[2]);
  }

  #sum(terms) {
    let sum = this.zero;
    for (const term of terms) {
      let product = term[this.which];
      for (const [name, power] of term.factors) {
        const value = name[0] === "$" ? this.at(Number(name.slice(1))) : this.sizes[name];
        for (let count = 0; count < power; count++) product *= value;
      }
      sum += product;
    }
    return sum;
  }
}

// A whole number as JSON would have it where that is exact, else as a BigInt.
function plain(value) {
  if (value === null || typeof value === "number") return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value;
}

// The quotient of two whole numbers, above 0, rounded once: as Python divides them.
function quotient(above, below) {
  const small = BigInt(2 ** 53);
  const [whole, part] = [BigInt(above), BigInt(below)];
  if (whole <= small && part <= small) return Number(whole) / Number(part);
  const shift = 70 - (whole.toString(16).length - part.toString(16).length) * 4;
  const scaled = shift > 0 ? whole << BigInt(shift) : whole;
  const divisor = shift > 0 ? part : part << BigInt(-shift);
  const sticky = scaled % divisor === 0n ? 0n : 1n; // more than 60 bits: the last says that there is a rest
  return Number((scaled / divisor) | sticky) * 2 ** -shift;
}
