// Numbers that are looked at stay new: the content of [data-refresh=seconds] is asked for anew, unless somebody is at work in it.

import { refresh } from "./times.js";

const place = document.querySelector("[data-refresh]");

async function renew() {
  if (document.hidden || place.contains(document.activeElement) || !getSelection().isCollapsed) return;
  const answer = await fetch(location.href, { headers: { "X-Fragment": "1", "X-Refresh": "1" } });
  if (answer.redirected) return location.reload();
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const scrolled = [...place.querySelectorAll(".scroll")].map((part) => part.scrollTop);
  place.replaceChildren(...page.querySelector("[data-refresh]").childNodes);
  place.querySelectorAll(".scroll").forEach((part, index) => (part.scrollTop = scrolled[index] ?? 0));
  refresh(place);
}

if (place) setInterval(() => renew().catch(() => {}), place.dataset.refresh * 1000);
