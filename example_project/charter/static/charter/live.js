// Keeps the blocks of a booking's page fresh until there is nothing left to wait for.

const FIRST = 1000;
const SLOWEST = 15000;
const blocks = () => [...document.querySelectorAll("[data-live]")];
let pause = FIRST;
let timer;

async function refresh() {
  clearTimeout(timer);
  pause = Math.min(pause * 1.5, SLOWEST);
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const isThisPage = answer.ok && !answer.redirected;
    for (const block of isThisPage ? blocks() : []) {
      const fresh = page.getElementById(block.id);
      if (!fresh) {
        // There is nothing more to say of it, as of a crew list that nobody has filled in.
        block.remove();
        continue;
      }
      // Left alone when it says the same, so that a screen reader doesn't say it again.
      if (fresh.textContent === block.textContent) continue;
      block.replaceWith(fresh);
      pause = FIRST;
    }
  } catch {
    // No network, as happens at sea: the next round tries again.
  }
  wait();
}

function wait() {
  clearTimeout(timer);
  if (blocks().some((block) => "waiting" in block.dataset)) timer = setTimeout(refresh, pause);
}

// Told by the badges that a document is there, or will never be, and that somebody has signed.
document.addEventListener("craftkit:status", refresh);
wait();
