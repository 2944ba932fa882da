// The session of an embedded page: its token, and the messages to and from the page around it.
// A message is {type: "<event>", ...}; none holds a token but "session.renewed", which comes in.

const config = JSON.parse(document.getElementById("config").textContent);
const isEmbedded = window.parent !== window;
const EXPIRING_BEFORE = 10 * 60; // seconds

// In memory alone: not in the address bar, the history or a storage.
let token = new URLSearchParams(location.search).get("session_token");
history.replaceState(null, "", location.pathname);

let expiring;

class Expired extends Error {}

function tell(type, detail = {}) {
  // To whom is a question of frame-ancestors: who may not be told can't frame the page.
  if (isEmbedded) window.parent.postMessage({ type, sessionId: config.sessionId, ...detail }, "*");
}

function watch(secondsLeft) {
  clearTimeout(expiring);
  const wait = Math.max(0, secondsLeft - EXPIRING_BEFORE) * 1000;
  expiring = setTimeout(() => tell("session.expiring"), wait);
}

function say(text, isWrong = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("wrong", isWrong);
  if (text) status.scrollIntoView({ block: "nearest" });
}

function claimsOf(text) {
  try {
    return JSON.parse(atob(text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

window.addEventListener("message", ({ source, origin, data }) => {
  if (!isEmbedded || source !== window.parent) return;
  if (config.origins.length && !config.origins.includes(origin)) return;
  if (data?.type !== "session.renewed" || typeof data.sessionToken !== "string") return;
  const claims = claimsOf(data.sessionToken);
  if (claims.sub !== config.sessionId) return;
  token = data.sessionToken;
  watch(claims.exp - claims.iat);
  say("");
  tell("session.accepted");
});

// Answers {ok, status, body, code, issues}; throws Expired, or what fetch throws without an answer.
async function send(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${token}` };
  const answer = await fetch(path, { ...options, headers });
  const { ok, status } = answer;
  if (status === 401) throw new Expired();
  if (ok && answer.headers.get("Content-Type") === "application/pdf") {
    return { ok, status, body: await answer.blob() };
  }
  const body = await answer.json().catch(() => ({}));
  const { error } = body;
  const code = (typeof error === "string" ? error : error?.code) ?? `status ${status}`;
  return { ok, status, body, code, issues: error?.issues };
}

const sendJson = (path, body) =>
  send(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

// What is said when a call has ended without an answer that says more.
function sayFailure(error) {
  const reason =
    error instanceof Expired ? "Your session has expired." : "The service could not be reached.";
  say(`${reason} What you have entered is still here: please try again in a moment.`, true);
  if (error instanceof Expired) tell("session.expiring");
}

watch(config.secondsLeft);
