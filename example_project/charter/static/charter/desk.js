// What staff see and do on a booking's page, by the HTTP API and without a page load. Without this
// file the forms work all the same: see charter/desk.py.

import { Refused, call, follow } from "./api.js";

const desk = document.getElementById("desk");
const words = JSON.parse(document.getElementById("desk-words").textContent);
const form = desk.querySelector("form.make"); // null for whoever may not share
const list = desk.querySelector(".links"); // null for whoever may not see links
const WAITING = ["pending", "unknown", "revoking"];

let render; // the newest protocol
let status; // its status; undefined until the API has told
let isLost = false; // whether the page is out of touch
let shown; // what the guest's part of the page depends on
let key; // stands for one link: as it was shown, until it is made or changed

async function look() {
  const { results } = await call(desk.dataset.documents);
  if (!results.length || !list) return { newest: results[0], links: [] };
  const about = new URLSearchParams({ render: results[0].id, page_size: desk.dataset.most });
  const page = await call(`${desk.dataset.links}?${about}`);
  return { newest: results[0], links: page.results };
}

function show({ newest, links }) {
  const before = status;
  render = newest;
  status = render?.status ?? "";
  const line = desk.querySelector(".protocol");
  badge(line, status, words.document[status]);
  write(line.querySelector(".why"), render?.error?.message);
  if (status === "succeeded" && ![status, undefined].includes(before)) say(words.ready);
  const canBeShared = status === "succeeded" && !render.withdrawn_at;
  if (form) form.hidden = !canBeShared;
  for (const link of links.toReversed()) showLink(link);
  if (isLost) complain("");
  isLost = false;
  tellGuestsPart([status, ...links.map((link) => [link.id, link.is_open])]);
  // The guest's link follows by itself, after the mail: see charter/craftkit.py.
  const isLinkComing = list && canBeShared && links.every((link) => link.by_mail);
  const isWaiting = links.some((link) => WAITING.includes(stateOf(link)));
  return !render?.is_final || isLinkComing || isWaiting;
}

function showLink(link) {
  const state = stateOf(link);
  let item = list.querySelector(`[data-id="${link.id}"]`);
  if (!item) {
    item = desk.querySelector("template").content.firstElementChild.cloneNode(true);
    item.dataset.id = link.id;
    list.prepend(item);
  }
  const before = item.dataset.state;
  item.dataset.state = state;
  badge(item, state, words.link[state]);
  write(item.querySelector(".whom"), link.recipient_email);
  write(item.querySelector(".how"), link.by_mail ? words.mailed : "");
  write(item.querySelector(".message"), link.message);
  write(item.querySelector(".why"), link.error?.message);
  const address = item.querySelector("a"); // null for whoever may not see it
  if (address) {
    address.hidden = !link.url;
    address.href = link.url ?? "";
    write(address, link.url);
  }
  const button = item.querySelector("form");
  if (button) {
    const isOver = !words.revocable.includes(state);
    // Before it is gone, so that the keyboard stays where it was.
    if (isOver && button.contains(document.activeElement)) item.focus();
    button.hidden = isOver;
  }
  if (before === "pending" && state === "active") say(words.made);
  if (before === "revoking" && state === "revoked") say(words.revoked);
}

function stateOf(link) {
  if (["revoked", "rejected"].includes(link.status)) return link.status;
  if (link.revoke_requested_at) return "revoking";
  return link.status === "active" && !link.is_open ? "expired" : link.status;
}

// live.js fetches the guest's part anew when it is told that something has changed.
function tellGuestsPart(seen) {
  const now = JSON.stringify(seen);
  if (shown !== undefined && shown !== now) {
    document.dispatchEvent(new CustomEvent("craftkit:status"));
  }
  shown = now;
}

const again = follow(look, show, (error) => {
  isLost = true;
  complain(reason(error) ?? words.lost);
});

async function make() {
  const { recipient_email, message } = Object.fromEntries(new FormData(form));
  const link = await call(`${desk.dataset.documents.split("?")[0]}${render.id}/share/`, {
    method: "POST",
    body: { recipient_email, message },
    key,
  });
  form.reset();
  renew();
  if (link && list) showLink(link);
  say(words.making);
}

// What was changed is another link; what is sent again unchanged is the same one.
function renew() {
  key = crypto.randomUUID();
}

form?.addEventListener("input", renew);
renew();

async function revoke(item) {
  const url = `${desk.dataset.links}${item.dataset.id}/revoke/`;
  const link = await call(url, { method: "POST" });
  if (link) showLink(link);
  say(words.revoking);
}

desk.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  // Not `disabled`, which would take the focus away.
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  complain("");
  accuse([]);
  say("");
  try {
    await (event.target === form ? make() : revoke(event.target.closest("li")));
    again();
  } catch (error) {
    const left = accuse(error.errors ?? []);
    complain([reason(error) ?? words.unreachable, ...left].join(" "));
  } finally {
    button.removeAttribute("aria-disabled");
  }
});

// What went wrong, in one sentence; undefined where nobody has said.
function reason(error) {
  if (!(error instanceof Refused)) console.warn("desk:", error);
  const known = { 401: words.refused, 403: words.refused, 404: words.gone }[error.status];
  return known ?? (error.status < 500 && error.message ? error.message : undefined);
}

// Says at the fields what is wrong with them. Returns what is about none of them.
function accuse(errors) {
  const fields = [...(form?.querySelectorAll(".field :is(input, textarea)") ?? [])];
  for (const field of fields) {
    const mine = errors.filter((error) => error.field === field.name);
    write(document.getElementById(`${field.id}_error`), mine.map((one) => one.message).join(" "));
    field.setAttribute("aria-invalid", mine.length > 0);
  }
  fields.find((field) => field.getAttribute("aria-invalid") === "true")?.focus();
  const names = fields.map((field) => field.name);
  return errors.filter((error) => !names.includes(error.field)).map((error) => error.message);
}

function complain(sentence) {
  write(desk.querySelector(".problem"), sentence);
}

function say(sentence) {
  write(desk.querySelector(".said"), sentence);
}

function badge(line, state, label) {
  const found = line.querySelector(".craftkit-badge");
  found.className = `craftkit-badge craftkit-badge--${state}`;
  write(found, label);
}

// Left alone when it says the same, so that a screen reader doesn't say it again.
function write(node, text) {
  if (node.textContent !== (text ?? "")) node.textContent = text ?? "";
}
