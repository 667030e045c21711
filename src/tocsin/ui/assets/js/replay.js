// The progress of a replay, read anew each second until it is over.

async function look() {
  const place = document.getElementById("progress");
  if (!place || "over" in place.dataset) return;
  if (!document.hidden) await renew(place).catch(() => {}); // a server that is away may be there for the next look
  setTimeout(look, 1000);
}

async function renew(place) {
  const answer = await fetch(place.dataset.progress, { headers: { "X-Fragment": "1" } });
  if (answer.redirected) return location.reload();
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("progress");
  if (!answer.ok || !next) return;
  const focused = place.contains(document.activeElement) ? document.activeElement.textContent : null;
  place.replaceWith(next);
  if (focused) [...next.querySelectorAll("button, a")].find((one) => one.textContent === focused)?.focus();
}

setTimeout(look, 1000);
