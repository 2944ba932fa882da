// Keeps the handover block of a booking's page fresh until the document's link is there.

const FIRST = 1000;
const SLOWEST = 15000;
const block = () => document.getElementById("handover");
let pause = FIRST;
let timer;

async function refresh() {
  clearTimeout(timer);
  pause = Math.min(pause * 1.5, SLOWEST);
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("handover");
    // Left alone when it says the same, so that a screen reader doesn't say it again.
    if (answer.ok && fresh.textContent !== block().textContent) {
      block().replaceWith(fresh);
      pause = FIRST;
    }
  } catch {
    // No network, as happens at sea: the next round tries again.
  }
  wait();
}

function wait() {
  if ("waiting" in block().dataset) timer = setTimeout(refresh, pause);
}

// Told by the badge of {% craftkit_status %} that the document is there, or will never be.
document.addEventListener("craftkit:status", (event) => {
  if (event.detail.final) refresh();
});
wait();
