// Numbers as the program's tables write them: SI prefixes and significant digits.

function prefixFor(data, values) {
  const largest = Math.max(0, ...values.map(Number));
  return data.prefixes.map(([scale, prefix]) => [Number(scale), prefix]).find(([scale]) => largest >= scale) ?? [1, ""];
}

function grouped(text) {
  const [whole, part] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",") + (part === undefined ? "" : `.${part}`);
}

function significant(value, digits = 4) {
  if (!value) return "0";
  const decimals = Math.min(Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)))), 6);
  const text = Number(value).toFixed(decimals);
  return Number(text) ? text : "<0.000001";
}

function scientific(value) {
  const [mantissa, exponent] = Number(value).toExponential(3).split("e");
  return `${mantissa}e${exponent}`;
}

// A value with its own prefix and unit: `58.20 M`.
function si(data, value, unit = "") {
  if (Number(value) >= 1e21) return `${scientific(value)} ${unit}`.trim();
  const [scale, prefix] = prefixFor(data, [value]);
  const number = scale === 1 ? grouped(String(value)) : significant(Number(value) / scale);
  return `${number} ${prefix}${unit}`.trim();
}

// A number of an axis: no digits that say nothing.
function tickText(data, value) {
  return si(data, Number(value.toPrecision(3))).replace(/(\.\d*?)0+(?= |$)/, "$1").replace(/\.(?= |$)/, "");
}

function signed(data, value, unit = "") {
  if (!Number(value)) return "0";
  return `${value < 0 ? "−" : "+"}${si(data, value < 0 ? -value : value, unit)}`;
}

// How a column's numbers are written: one prefix, one number of decimals where they lie close; or exponents.
function numberFormat(data, values) {
  const known = values.filter((value) => value !== null).map(Number);
  const [scale, prefix] = prefixFor(data, known);
  if (Math.max(0, ...known) >= 1e21) return { prefix: "", text: (value) => (Number(value) ? scientific(value) : "0") };
  const smallest = Math.min(...known.filter(Boolean), Infinity) / scale;
  const decimals = smallest < 0.1 ? null : scale === 1 || smallest === Infinity ? 0 : Math.min(3, Math.max(0, 3 - Math.floor(Math.log10(smallest))));
  const text = (value) => (!Number(value) || decimals === null ? significant(Number(value) / scale) : grouped((Number(value) / scale).toFixed(decimals)));
  return { prefix, text };
}

// Where the lowest of these stand: nowhere where all are equal, or where one is not known.
function lowestPlaces(values) {
  if (values.includes(null) || !values.length) return [];
  const least = values.reduce((one, other) => (other < one ? other : one));
  if (values.every((value) => value === least)) return [];
  return values.flatMap((value, at) => (value === least ? [at] : []));
}
