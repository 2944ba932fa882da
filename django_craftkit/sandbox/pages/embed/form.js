const form = document.getElementById("form");
const button = form.querySelector("button.main");
let uploads = 0;
let isSending = false;

function enable() {
  button.disabled = isSending || uploads > 0 || !config.maySubmit;
}

// Values, as they are shown and as they are sent.

function toLocal(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return "";
  return new Date(moment - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function show(input, value) {
  if (value === undefined || value === null) return;
  if (input.type === "checkbox") input.checked = value === true || value === "true";
  else if (input.type === "date") input.value = String(value).slice(0, 10);
  else if (input.type === "datetime-local") input.value = toLocal(value);
  else input.value = String(value);
  if (input.type === "hidden") showPicture(input.closest(".field"));
}

function read(input) {
  if (input.type === "checkbox") return input.checked;
  // What no type takes: the service says so, together with all else that is wrong.
  if (input.validity.badInput) return "?";
  if (input.type === "datetime-local" && input.value) return new Date(input.value).toISOString();
  return input.value;
}

function valueAt(data, key) {
  const step = (node, name) => (node && Object.hasOwn(node, name) ? node[name] : undefined);
  return key.split(".").reduce(step, data);
}

// Rows of loops.

let numbers = 0;

function addRow(loop, values = {}) {
  const row = loop.querySelector("template").content.cloneNode(true).firstElementChild;
  const number = (numbers += 1);
  for (const name of ["id", "for", "aria-describedby"]) {
    for (const element of row.querySelectorAll(`[${name}]`)) {
      element.setAttribute(name, `${element.getAttribute(name)}-${number}`);
    }
  }
  loop.querySelector(".rows").append(row);
  for (const input of row.querySelectorAll("[data-key]")) {
    show(input, valueAt(values, input.dataset.key));
  }
  return row;
}

form.addEventListener("click", ({ target }) => {
  if (target.matches(".add")) {
    addRow(target.closest("[data-loop]")).querySelector("input, textarea").focus();
  } else if (target.matches(".remove")) {
    const loop = target.closest("[data-loop]");
    target.closest(".row").remove();
    loop.querySelector(".add").focus();
  } else if (target.matches(".clear")) {
    const field = target.closest(".field");
    field.querySelector("[type=hidden]").value = "";
    field.querySelector("[type=file]").value = "";
    showPicture(field);
  }
});

// Pictures.

const UPLOAD_ERRORS = {
  file_too_large: "This file is too large.",
  invalid_type: "This is not a picture.",
};

function showPicture(field) {
  const url = field.querySelector("[type=hidden]").value;
  const [picture, link] = [field.querySelector("img"), field.querySelector("a")];
  // The policy of this page shows no picture from elsewhere.
  const isOurs = url.startsWith(`${location.origin}/`);
  picture.hidden = !isOurs;
  if (isOurs) picture.src = url;
  link.hidden = isOurs || !/^https?:/i.test(url);
  if (!link.hidden) [link.href, link.textContent] = [url, url];
  field.querySelector(".clear").hidden = !url;
}

form.addEventListener("change", async ({ target }) => {
  if (target.type !== "file" || !target.files.length) return;
  const field = target.closest(".field");
  // Of two pictures, the one that was chosen last counts, whichever answer comes first.
  const isLast = () => field.chosen === body;
  const body = new FormData();
  body.append("file", target.files[0]);
  field.chosen = body;
  mark(field, "");
  uploads += 1;
  enable();
  try {
    const path = `/v1/embed/form-submit/${config.sessionId}/upload-image`;
    const answer = await send(path, { method: "POST", body });
    if (!isLast()) return;
    if (answer.ok) {
      field.querySelector("[type=hidden]").value = answer.body.url;
      showPicture(field);
      return;
    }
    mark(field, UPLOAD_ERRORS[answer.code] ?? `The picture was not taken (${answer.code}).`);
  } catch (error) {
    sayFailure(error);
  } finally {
    uploads -= 1;
    enable();
  }
  target.value = "";
});

// Errors.

function mark(field, text) {
  const error = field.querySelector(".error");
  error.textContent = text;
  error.hidden = !text;
  const input = field.querySelector("input, textarea, select");
  if (text) input?.setAttribute("aria-invalid", "true");
  else input?.removeAttribute("aria-invalid");
}

function markAll(places, errors) {
  const elsewhere = [];
  for (const [path, texts] of Object.entries(errors)) {
    const field = places.get(path);
    if (field) mark(field, texts.join(" "));
    else elsewhere.push(`${path}: ${texts.join(" ")}`);
  }
  say(["Please look at what is marked.", ...elsewhere].join(" "), true);
  form.querySelector("[aria-invalid=true]")?.focus();
}

// What is sent: dotted keys, and for each path of an error the field it belongs to.

function collect() {
  const data = {};
  const places = new Map();
  const take = (input, into, path) => {
    const field = input.closest(".field");
    into[input.dataset.key] = read(input);
    places.set(path, field);
    mark(field, "");
  };
  for (const input of form.querySelectorAll("[data-key]")) {
    if (!input.closest("[data-loop]")) take(input, data, input.dataset.key);
  }
  for (const loop of form.querySelectorAll("[data-loop]")) {
    const key = loop.dataset.loop;
    const rows = (data[key] = []);
    places.set(key, loop);
    mark(loop, "");
    for (const row of loop.querySelectorAll(".row")) {
      const values = {};
      for (const input of row.querySelectorAll("[data-key]")) {
        take(input, values, `${key}.${rows.length}.${input.dataset.key}`);
      }
      if (Object.values(values).some(Boolean)) rows.push(values);
    }
  }
  return { data, places };
}

// Afterwards.

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function thank(title, text) {
  form.hidden = true;
  const done = document.getElementById("done");
  done.hidden = false;
  done.querySelector("h2").textContent = title;
  done.querySelector("p").textContent = text;
  return done;
}

// Asks until there is an answer: the session may be renewed, the service come back.
async function ask(path, isWanted = () => true) {
  let hasFailed = false;
  for (let wait = 250; ; wait = Math.min(2000, wait * 2)) {
    try {
      const answer = await send(path);
      if (answer.ok ? isWanted(answer.body) : answer.status < 500) return answer;
    } catch (error) {
      if (!hasFailed) sayFailure(error); // once: the page around is asked for one token
      hasFailed = true;
    }
    await sleep(wait);
  }
}

async function showDocument({ id }) {
  const done = thank("Thank you", "Your document is being made.");
  const hasEnded = ({ status }) => ["succeeded", "failed", "cancelled"].includes(status);
  const render = await ask(`/v1/embed/renders/${id}`, hasEnded);
  if (render.body.status !== "succeeded") {
    done.hidden = true;
    form.hidden = false;
    const reason = render.body.errorMessage ?? render.body.status ?? render.code;
    return say(`The document could not be made: ${reason}`, true);
  }
  const file = await ask(`/embed/form/document/${id}`);
  if (!file.ok) return say(`The document can't be shown (${file.code}).`, true);
  say("");
  const url = URL.createObjectURL(file.body);
  done.querySelector("p").textContent = "This is your document.";
  const link = done.querySelector("a");
  link.href = url;
  link.hidden = false;
  const viewer = document.querySelector(".viewer");
  viewer.src = url;
  viewer.hidden = false;
  return undefined;
}

async function submit() {
  const { data, places } = collect();
  const answer = await sendJson(`/v1/embed/form-submit/${config.sessionId}`, { data });
  if (!answer.ok) {
    if (answer.issues) return markAll(places, answer.issues.fieldErrors);
    return say(`The form was not taken (${answer.code}).`, true);
  }
  tell("form.submitted", { renderId: answer.body.id, status: answer.body.status });
  if (config.redirectUrl) return location.assign(config.redirectUrl);
  if (answer.body.id && config.showsDocument) return showDocument(answer.body);
  return thank("Thank you", "Your data have been sent.");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (button.disabled) return;
  isSending = true;
  enable();
  say("");
  try {
    await submit();
  } catch (error) {
    sayFailure(error);
  } finally {
    isSending = false;
    enable();
  }
});

for (const input of form.querySelectorAll("[data-key]")) {
  show(input, valueAt(config.values, input.dataset.key));
}
for (const loop of form.querySelectorAll("[data-loop]")) {
  const rows = config.values[loop.dataset.loop];
  // Nobody has checked the prefill.
  if (Array.isArray(rows)) for (const values of rows) addRow(loop, values);
}
if (!config.maySubmit) say("This session may look at the form and not submit it.");
enable();
