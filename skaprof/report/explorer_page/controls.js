// Fields and sliders: what is typed, and what is wrong with it beside the field.

// The stops of each slider: exact sizes that are often asked for; the field beside it takes any.
function stopsOf(data, state) {
  const powers = (low, high) => range(0, Math.log2(high / low), 1).map((power) => low * 2 ** power);
  const dim = Number(state.dim) || data.defaults.dim;
  const divisors = range(1, Math.min(dim, 4096), 1).filter((each) => dim % each === 0);
  return {
    tokens: range(1, 64, 1).map((side) => side * side),
    resolution: range(1, 64, 1).map((side) => side * (Number(state.patch) || data.defaults.patch)),
    patch: [1, 2, 4, 7, 8, 14, 16, 28, 32],
    dim: range(1, 64, 1).map((step) => step * 32),
    heads: ["", ...divisors],
    head_dim: ["", ...divisors],
    kernel_size: ["", ...range(1, 31, 2)],
    batch: powers(1, 1024),
    image: range(1, 40, 1).map((step) => step * 32),
  };
}

const FIELDS = {
  tokens: ["Tokens n", "on the most nearly square grid"],
  resolution: ["Resolution", "pixels, such as 224 or 800x1280"],
  patch: ["Patch", "pixels a token"],
  size: ["Grid", "rows x columns, such as 14x20"],
  dim: ["Dim d", "embedding dim"],
  heads: ["Heads h", "empty: as head dim says"],
  head_dim: ["Head dim e", "empty: 32, or the largest divisor of dim up to it"],
  kernel_size: ["Kernel k", "odd; empty: each mixer's own"],
  batch: ["Batch B", ""],
  image: ["Image", "pixels, such as 224 or 800x1280"],
};

// A labelled text field, with a slider where it has stops, and the place of its error.
function fieldOf(name, hasSlider, onInput) {
  const [words, hint] = FIELDS[name];
  const input = element("input", { id: `f-${name}`, name, inputmode: "numeric", autocomplete: "off", spellcheck: "false", "aria-describedby": `e-${name}${hint ? ` h-${name}` : ""}` });
  input.addEventListener("input", () => onInput(name, input.value.trim()));
  const made = element("div", { class: "field", "data-field": name }, element("label", { for: `f-${name}` }, words), input);
  if (hasSlider) {
    const slider = element("input", { type: "range", id: `s-${name}`, min: 0, max: 10, step: 1, "aria-label": `${words}, slider` });
    slider.addEventListener("input", () => {
      input.value = String(slider.stops[slider.value]);
      onInput(name, input.value);
    });
    made.append(slider);
  }
  if (hint) made.append(element("p", { class: "hint", id: `h-${name}` }, hint));
  made.append(element("p", { class: "error", id: `e-${name}`, "aria-live": "polite" }));
  return made;
}

function selectOf(name, words, options, onInput) {
  const select = element("select", { id: `f-${name}`, name, "aria-describedby": `e-${name}` }, ...options.map(([value, text]) => element("option", { value }, text)));
  select.addEventListener("change", () => onInput(name, select.value));
  return element("div", { class: "field", "data-field": name }, element("label", { for: `f-${name}` }, words), select, element("p", { class: "error", id: `e-${name}`, "aria-live": "polite" }));
}

function groupOf(words, ...children) {
  return element("fieldset", {}, element("legend", {}, words), ...children);
}

// A choice of few, as buttons of which one is pressed.
function switchOf(name, words, options, onInput) {
  const buttons = options.map(([value, text]) => {
    const button = element("button", { type: "button", "data-value": value, "aria-pressed": "false" }, text);
    button.addEventListener("click", () => onInput(name, value));
    return button;
  });
  return element("div", { class: "switch", role: "group", "aria-label": words, id: `f-${name}` }, ...buttons);
}

// Brings fields and sliders to a state, but for what somebody is typing in.
function bringTo(data, state) {
  const stops = stopsOf(data, state);
  for (const [name, value] of Object.entries(state)) {
    const input = document.getElementById(`f-${name}`);
    if (!input || name === "mixers") continue; // what is typed there is to be added
    if (input.classList.contains("switch")) for (const button of input.children) button.setAttribute("aria-pressed", String(button.dataset.value === value));
    else if (input.type === "checkbox") input.checked = value === "1";
    else if (input !== document.activeElement && input.value !== value) input.value = value;
    const slider = document.getElementById(`s-${name}`);
    if (slider) setSlider(slider, stops[name], value);
  }
}

function setSlider(slider, stops, value) {
  slider.stops = stops;
  slider.max = stops.length - 1;
  const number = Number(value) || 0;
  const far = stops.map((stop) => Math.abs(Math.log((Number(stop) || 0.1) / (number || 0.1))));
  slider.value = far.indexOf(Math.min(...far));
  slider.setAttribute("aria-valuetext", value === "" ? "by default" : value);
}

// Says what is wrong beside the field that it is about, or the one that was changed; with nothing, that all is well.
function sayError(error, changed) {
  for (const place of document.querySelectorAll(".error")) place.textContent = "";
  for (const input of document.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  if (!error) return;
  const isShown = (name) => document.getElementById(`e-${name}`)?.parentElement.offsetParent;
  const name = [error.field, changed, "mixers", "stages"].find((each) => each && isShown(each));
  if (!name) return;
  document.getElementById(`e-${name}`).textContent = error.message;
  document.getElementById(`f-${name}`)?.setAttribute("aria-invalid", "true");
}

// The list of mixers: a text each, which is the baseline, and a way to add one and to take one away.
function mixerList(data, onInput) {
  const list = element("ul", { id: "mixer-list" });
  const add = element("input", { id: "f-mixers", list: "known-mixers", placeholder: "add: ska:query=false", autocomplete: "off", spellcheck: "false", "aria-label": "Add a mixer", "aria-describedby": "e-mixers" });
  const button = element("button", { type: "submit" }, "Add");
  const form = element("form", { class: "add" }, add, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (add.value.trim() && onInput("add", add.value.trim())) add.value = "";
  });
  return element("div", {}, list, form, element("p", { class: "error", id: "e-mixers", "aria-live": "polite" }));
}

function fillMixerList(data, state, colors, onInput) {
  const items = mixersOf(data, state.mixers).map((spec) => {
    const radio = element("input", { type: "radio", name: "baseline", value: spec.text, checked: spec.text === state.baseline, "aria-label": `${spec.text} is the baseline` });
    radio.addEventListener("change", () => onInput("baseline", spec.text));
    const remove = element("button", { type: "button", class: "remove", "aria-label": `Take ${spec.text} away`, disabled: state.mixers === spec.text }, "×");
    remove.addEventListener("click", () => onInput("remove", spec.text));
    return element("li", {}, element("label", { title: spec.mixer.summary }, radio, swatch(colors[spec.text], spec.text)), remove);
  });
  const list = document.getElementById("mixer-list");
  const focused = [...list.querySelectorAll("input")].indexOf(document.activeElement);
  list.replaceChildren(...items);
  if (focused >= 0) list.querySelectorAll("input")[focused]?.focus();
}
