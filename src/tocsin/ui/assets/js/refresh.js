// Numbers that are looked at stay new: the content of [data-refresh=seconds] is asked for anew, unless somebody is at work in it.

import { refresh } from "./times.js";

const place = document.querySelector("[data-refresh]");
const live = document.querySelector("[data-live]");
let last = new Date();

// Beside the search box: whether the numbers are of now.
function tell(kind, text) {
  if (kind === "good") last = new Date();
  if (!live || live.textContent === text) return;
  live.className = `state ${kind}`;
  live.textContent = text;
  live.hidden = false;
}

const isNew = () => tell("good", "● live");
const isOld = () => tell("bad", `✕ no answer since ${last.toISOString().slice(11, 19)} UTC`);

async function renew() {
  if (document.hidden) return;
  if (place.contains(document.activeElement) || !getSelection().isCollapsed) return tell("held", "‖ held while you work in it");
  const answer = await fetch(location.href, { headers: { "X-Fragment": "1", "X-Refresh": "1" } });
  if (answer.redirected) return location.reload();
  if (!answer.ok) return isOld();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const scrolled = [...place.querySelectorAll(".scroll")].map((part) => part.scrollTop);
  place.replaceChildren(...page.querySelector("[data-refresh]").childNodes);
  place.querySelectorAll(".scroll").forEach((part, index) => (part.scrollTop = scrolled[index] ?? 0));
  refresh(place);
  isNew();
}

if (place) {
  isNew();
  setInterval(() => renew().catch(isOld), place.dataset.refresh * 1000);
}
