// Turns the page of a pledge once its payment was reconciled. Without a script the page reloads by itself.
"use strict";

const shown = document.querySelector("[data-pledge]");

async function watch() {
  const started = Date.now();
  while (Date.now() - started < 10 * 60 * 1000) {
    await new Promise((done) => setTimeout(done, Date.now() - started < 20000 ? 700 : 5000));
    const answer = await fetch("/v1/pledges/" + encodeURIComponent(shown.dataset.pledge)).catch(() => null);
    if (!answer || !answer.ok) continue;
    if ((await answer.json()).status !== shown.dataset.status) return location.reload();
  }
}

watch();
