// What is looked at stays new: the contents of all [data-refresh] are asked for anew, every so many seconds as the first of them says
// (nothing: not any more), unless somebody is at work in them. Whoever adds to them listens for "refreshed".

import { refresh } from "./times.js";

const places = () => [...document.querySelectorAll("[data-refresh]")];

function isAtWork(place) {
  return place.contains(document.activeElement) || place.closest(".split.open") || place.querySelector("input:checked");
}

async function renew() {
  const old = places();
  if (document.hidden || old.some(isAtWork) || !getSelection().isCollapsed) return;
  const answer = await fetch(location.href, { headers: { "X-Fragment": "1", "X-Refresh": "1" } });
  if (answer.redirected) return location.reload();
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (old.some(isAtWork)) return;
  const fresh = page.querySelectorAll("[data-refresh]");
  old.forEach((place, index) => fresh[index] && fill(place, fresh[index]));
  document.dispatchEvent(new Event("refreshed"));
}

function fill(place, next) {
  const scrolled = [...place.querySelectorAll(".scroll")].map((part) => part.scrollTop);
  const opened = [...place.querySelectorAll("details")].map((part) => part.open);
  place.dataset.refresh = next.dataset.refresh;
  place.replaceChildren(...next.childNodes);
  place.querySelectorAll(".scroll").forEach((part, index) => (part.scrollTop = scrolled[index] ?? 0));
  place.querySelectorAll("details").forEach((part, index) => (part.open = opened[index] ?? part.open));
  refresh(place);
}

async function look() {
  const seconds = Number(places()[0]?.dataset.refresh);
  if (!seconds) return;
  await new Promise((done) => setTimeout(done, seconds * 1000));
  await renew().catch(() => {}); // a server that is away may be there for the next look
  look();
}

look();
