// Keeps the status badges of a page fresh while work is under way: one request for all of them.
// A badge that changes sends the event "craftkit:status", which bubbles, with {status, final}, and
// for a signature request with `signed`, how many have.

const PACE = [1000, 1000, 2000, 3000, 5000];
const SLOWEST = 15000;
// As many as the site answers for; those after them follow as these come to their end.
const MOST = 200;

const open = () => [...document.querySelectorAll("[data-craftkit-token]")].slice(0, MOST);

function show(badge, { status, label, final, signed }) {
  const further = signed !== undefined && badge.dataset.craftkitSigned !== String(signed);
  const changed = further || !badge.classList.contains(`craftkit-badge--${status}`);
  if (final) delete badge.dataset.craftkitToken;
  if (!changed) return;
  badge.className = `craftkit-badge craftkit-badge--${status}`;
  badge.textContent = label;
  if (further) badge.dataset.craftkitSigned = signed;
  badge.dispatchEvent(
    new CustomEvent("craftkit:status", { bubbles: true, detail: { status, final, signed } }),
  );
}

async function refresh() {
  const badges = open();
  if (!badges.length || document.hidden) return;
  const body = new URLSearchParams(badges.map((badge) => ["token", badge.dataset.craftkitToken]));
  const answer = await fetch(badges[0].dataset.craftkitUrl, { method: "POST", body });
  if (!answer.ok) throw new Error(`the site answered ${answer.status}`);
  const statuses = await answer.json();
  for (const badge of badges) {
    const status = statuses[badge.dataset.craftkitToken];
    if (status) show(badge, status);
    // The page was open for too long, or the document is gone: there is nothing to wait for.
    else delete badge.dataset.craftkitToken;
  }
}

async function run() {
  for (let round = 0; ; round += 1) {
    await new Promise((wake) => setTimeout(wake, PACE[round] ?? SLOWEST));
    // A site that is being restarted answers again in a while.
    await refresh().catch((error) => console.warn("craftkit badges:", error));
  }
}

run();
