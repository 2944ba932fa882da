const builder = document.getElementById("builder");
const variables = document.getElementById("variables");
const loops = document.getElementById("loops");
const mayEdit = config.mode !== "view";
// What the page has no input for, such as formats, is kept as it came.
const originals = new WeakMap();

const part = (element, name) => element.querySelector(`[data-part="${name}"]`);

function clone(id) {
  return document.getElementById(id).content.cloneNode(true).firstElementChild;
}

function addVariable(rows, variable = { dataType: "text" }) {
  const row = clone("variable");
  originals.set(row, variable);
  part(row, "key").value = variable.key ?? "";
  part(row, "label").value = variable.label ?? "";
  part(row, "dataType").value = variable.dataType;
  part(row, "required").checked = Boolean(variable.required);
  rows.append(row);
  return row;
}

function addLoop(loop = { itemFields: [] }) {
  const element = clone("loop");
  originals.set(element, loop);
  part(element, "key").value = loop.key ?? "";
  part(element, "label").value = loop.label ?? "";
  for (const field of loop.itemFields) addVariable(element.querySelector(".rows"), field);
  loops.append(element);
  return element;
}

builder.addEventListener("click", ({ target }) => {
  if (target.matches(".add-variable")) {
    const rows = target.closest("fieldset").querySelector(".rows");
    part(addVariable(rows), "key").focus();
  } else if (target.matches(".add-loop")) {
    part(addLoop(), "key").focus();
  } else if (target.matches(".remove")) {
    target.closest(".row").remove();
  } else if (target.matches(".remove-loop")) {
    target.closest("fieldset").remove();
  }
});

// A key of the catalog brings its label and type along.
builder.addEventListener("change", ({ target }) => {
  const isKnown = target.dataset.part === "key" && Object.hasOwn(config.catalog, target.value);
  const known = isKnown ? config.catalog[target.value] : undefined;
  const row = target.closest(".row");
  if (!known || !row || part(row, "label").value) return;
  part(row, "label").value = known.label;
  part(row, "dataType").value = known.dataType;
  part(row, "required").checked = Boolean(known.required);
  if (known.format) originals.set(row, { ...originals.get(row), format: known.format });
});

function readVariable(row) {
  const { required, ...rest } = originals.get(row);
  const variable = {
    ...rest,
    key: part(row, "key").value.trim(),
    label: part(row, "label").value.trim(),
    dataType: part(row, "dataType").value,
  };
  if (part(row, "required").checked) variable.required = true;
  else if (required !== undefined) variable.required = false;
  return variable;
}

// The manifest, and for each path of an error where it is shown.
function collect() {
  const places = new Map();
  const read = (rows, path) =>
    [...rows.querySelectorAll(".row")].map((row, number) => {
      places.set(`${path}.${number}`, row);
      return readVariable(row);
    });
  const manifest = {
    variables: read(variables, "manifest.variables"),
    loops: [...loops.children].map((element, number) => {
      const path = `manifest.loops.${number}`;
      places.set(path, element);
      return {
        ...originals.get(element),
        key: part(element, "key").value.trim(),
        label: part(element, "label").value.trim(),
        itemFields: read(element.querySelector(".rows"), `${path}.itemFields`),
      };
    }),
  };
  return { manifest, places };
}

function markAll(places, errors) {
  const elsewhere = [];
  for (const [path, texts] of Object.entries(errors)) {
    const name = path.split(".").at(-1);
    const element = places.get(path.slice(0, -name.length - 1));
    if (!element) {
      elsewhere.push(`${name}: ${texts.join(" ")}`);
      continue;
    }
    part(element, name)?.setAttribute("aria-invalid", "true");
    const error = element.querySelector(".error");
    error.textContent = `${error.textContent} ${name}: ${texts.join(" ")}`.trim();
    error.hidden = false;
  }
  say(["Please look at what is marked.", ...elsewhere].join(" "), true);
}

function clearMarks() {
  for (const element of builder.querySelectorAll("[aria-invalid]")) {
    element.removeAttribute("aria-invalid");
  }
  for (const element of builder.querySelectorAll(".error")) {
    element.textContent = "";
    element.hidden = true;
  }
}

async function save(action) {
  clearMarks();
  say("");
  const { manifest, places } = collect();
  const name = document.getElementById("name").value.trim();
  const answer = await sendJson(`/embed/builder/${action}`, { name, manifest });
  if (!answer.ok) {
    if (answer.issues) return markAll(places, answer.issues.fieldErrors);
    return say(`This was not saved (${answer.code}).`, true);
  }
  const { templateId, version } = answer.body;
  if (action === "publish") {
    tell("template.published", { templateId, version, manifest: answer.body.manifest });
    return say(`Published as version ${version}.`);
  }
  tell("template.saved", { templateId });
  return say("The draft is saved.");
}

const buttons = [...builder.querySelectorAll("[data-action]")];
for (const button of buttons) {
  button.addEventListener("click", async () => {
    for (const each of buttons) each.disabled = true;
    try {
      await save(button.dataset.action);
    } catch (error) {
      sayFailure(error);
    } finally {
      for (const each of buttons) each.disabled = false;
    }
  });
}
builder.addEventListener("submit", (event) => event.preventDefault());

const close = document.getElementById("close");
close.hidden = !isEmbedded;
close.addEventListener("click", () => tell("close.requested"));

for (const variable of config.manifest.variables) addVariable(variables, variable);
for (const loop of config.manifest.loops) addLoop(loop);
if (!mayEdit) {
  for (const input of builder.querySelectorAll("input, select")) input.disabled = true;
  for (const each of builder.querySelectorAll("fieldset button, .add-loop")) each.hidden = true;
}
