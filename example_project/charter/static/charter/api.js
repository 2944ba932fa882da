// The HTTP API, as whoever is logged in to the site may use it.

const FIRST = 1000;
const SLOWEST = 15000;

// What the API refuses. The code is for programs, the message and those of the fields for people.
export class Refused extends Error {
  constructor(answer, { code = "", message = "", errors = [] }) {
    super(message);
    Object.assign(this, { status: answer.status, code, errors });
    this.wait = 1000 * (Number(answer.headers.get("Retry-After")) || 0);
  }
}

// Without an answer it raises what fetch raises: nobody knows then whether it was done. What is
// sent again with the same key is done once.
export async function call(url, { method = "GET", body, key } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") {
    headers["X-CSRFToken"] = document.querySelector("[name=csrfmiddlewaretoken]").value;
  }
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const answer = await fetch(url, {
    method,
    headers,
    body: body && JSON.stringify(body),
    redirect: "error", // a login page is no answer
    signal: AbortSignal.timeout(20000),
  });
  if (answer.status === 204) return null; // done, but not for this user to see
  if (answer.ok) return answer.json();
  const said = await answer.json().catch(() => null); // a proxy's page is no JSON
  throw new Refused(answer, said ?? {});
}

// Looks again and again, with growing pauses, until `show` returns false: nothing more will happen
// by itself. A hidden tab rests, and looks when it is seen again. Returns what looks at once.
export function follow(look, show, fail) {
  let pause = FIRST;
  let latest = 0;
  let timer;

  async function round() {
    clearTimeout(timer);
    latest += 1;
    if (document.hidden) return;
    const mine = latest;
    let wait = pause;
    pause = Math.min(pause * 1.5, SLOWEST);
    try {
      const seen = await look();
      if (mine !== latest || !show(seen)) return; // older than what is shown, or all is done
    } catch (error) {
      if (mine !== latest) return;
      fail(error);
      if ([401, 403, 404].includes(error.status)) return;
      wait = Math.max(wait, error.wait ?? 0);
    }
    timer = setTimeout(round, wait);
  }

  function again() {
    pause = FIRST;
    return round();
  }

  document.addEventListener("visibilitychange", again);
  again();
  return again;
}
