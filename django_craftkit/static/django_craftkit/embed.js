// Shows Craftkit's builder or a form in its iframe, and has its session renewed before it expires.
// What happens in the iframe is told by events of the element around it, which bubble:
// those of TOLD, each with what Craftkit says of it as `detail`, and "craftkit:session-lost" where
// the session can't be renewed, with {message}.
//
// Craftkit does not document its messages; these are {type, …} of plain objects. Without them the
// iframe works all the same, until its session expires.

// Milliseconds: how long before its end a session is renewed; how long the iframe may take to
// accept a token, and when it is loaded anew if it has not; how long until another try, and between
// two that succeed.
const MARGIN = 15 * 60_000;
const ACCEPTED = 5_000;
const LAST = 60_000;
const AGAIN = 30_000;
const SOONEST = 10_000;
// Pixels: as high as the iframe may ask to be.
const HIGHEST = 20_000;

const TOLD = new Map([
  ["form.submitted", "craftkit:form-submitted"],
  ["template.published", "craftkit:template-published"],
  ["template.saved", "craftkit:template-saved"],
  ["close.requested", "craftkit:closed"],
]);

class Embed {
  constructor(element) {
    this.element = element;
    this.frame = element.querySelector("iframe");
    this.problem = element.querySelector("[role=alert]");
    this.soonest = 0;
    this.retry = () => this.open();
    this.problem.querySelector("button").addEventListener("click", () => this.retry());
    window.addEventListener("message", (event) => this.hear(event));
    // Timers stand still while the machine sleeps.
    document.addEventListener("visibilitychange", () => this.session && this.plan());
  }

  start() {
    const { craftkitSession } = this.element.dataset;
    if (!craftkitSession) return this.open();
    delete this.element.dataset.craftkitSession;
    return this.show(JSON.parse(craftkitSession));
  }

  async open() {
    this.say("");
    const { status, body } = await this.post(this.element.dataset.craftkitOpen);
    if (status === 200) this.show(body);
    else this.say(body.message);
  }

  show(session) {
    this.next = {
      "form.submitted": session.redirectUrl,
      "close.requested": this.element.dataset.craftkitClose,
    };
    this.take(session);
    this.load();
  }

  // Not by `src`: what is loaded anew would be a step of its own in the browser's history.
  load() {
    this.heldUntil = this.end;
    this.frame.contentWindow.location.replace(this.session.url);
  }

  take(session) {
    const lifetime = session.expiresIn * 1000;
    this.session = session;
    this.origin = new URL(session.url).origin;
    this.end = Date.now() + lifetime;
    this.due = this.end - Math.min(MARGIN, lifetime / 2);
    this.plan();
  }

  plan(at = this.due) {
    clearTimeout(this.timer);
    const wait = Math.max(at, this.soonest) - Date.now();
    this.timer = setTimeout(() => this.renew(), Math.max(wait, 0));
  }

  async renew() {
    if (this.isRenewing || this.isRefused) return;
    this.isRenewing = true;
    const { reference, renewUrl } = this.session;
    const { status, body } = await this.post(renewUrl, { reference });
    this.isRenewing = false;
    if (status === 200) {
      this.say("");
      this.soonest = Date.now() + SOONEST;
      this.take(body);
      this.handOver();
    } else if (status === 403 || status === 409) {
      this.isRefused = true;
      // Until then, what the iframe has is as good as before.
      setTimeout(() => this.lose(body.message), Math.max(this.end - Date.now(), 0));
    } else {
      // Nobody has decided anything: the network is away after a sleep, say.
      this.plan(Date.now() + AGAIN);
      this.retry = () => this.plan(0);
      if (Date.now() > this.end) this.say(body.message);
    }
  }

  handOver() {
    clearTimeout(this.reload);
    this.tell({ type: "session.renewed", sessionToken: this.session.token });
    // What was typed would be gone: only where it is going to be of no use.
    const wait = Math.max(this.heldUntil - LAST - Date.now(), ACCEPTED);
    this.reload = setTimeout(() => this.load(), wait);
  }

  lose(message) {
    // The iframe stays: somebody may want to copy what they have typed.
    this.retry = () => window.location.reload();
    this.say(message);
    this.dispatch("craftkit:session-lost", { message });
  }

  hear({ source, origin, data }) {
    if (source !== this.frame.contentWindow || origin !== this.origin) return;
    const { type, ...detail } = Object(data);
    if (type === "session.accepted") {
      this.heldUntil = this.end;
      clearTimeout(this.reload);
    } else if (type === "session.expiring") this.plan(0);
    else if (type === "resize" && detail.height > 0)
      this.frame.height = Math.min(Math.ceil(detail.height), HIGHEST);
    else if (TOLD.has(type)) this.pass(type, detail);
  }

  async pass(type, detail) {
    const { reference, publishedUrl } = this.session;
    if (type === "template.published" && publishedUrl)
      await this.post(publishedUrl, { reference });
    // Whoever listens may prevent that the page goes elsewhere.
    const mayLeave = this.dispatch(TOLD.get(type), detail);
    if (mayLeave && this.next[type]) window.location.assign(this.next[type]);
  }

  tell(message) {
    this.frame.contentWindow.postMessage(message, this.origin);
  }

  dispatch(name, detail) {
    const options = { bubbles: true, cancelable: true, detail };
    return this.element.dispatchEvent(new CustomEvent(name, options));
  }

  say(message) {
    this.problem.hidden = !message;
    this.problem.querySelector("span").textContent = message;
  }

  async post(url, fields = {}) {
    const { craftkitCsrf, craftkitFailed } = this.element.dataset;
    const body = new URLSearchParams({ csrfmiddlewaretoken: craftkitCsrf, ...fields });
    const failed = { message: craftkitFailed };
    try {
      const answer = await fetch(url, { method: "POST", body, redirect: "error", keepalive: true });
      const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
      // A proxy's page says nothing of the session, whatever its status.
      if (!isJson) return { status: 0, body: failed };
      return { status: answer.status, body: await answer.json() };
    } catch (error) {
      // Nobody is there, or the answer broke off: another time, perhaps.
      console.warn("craftkit embed:", error);
      return { status: 0, body: failed };
    }
  }
}

for (const element of document.querySelectorAll("[data-craftkit-embed]"))
  new Embed(element).start();
