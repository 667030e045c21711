// The timeline of a job that runs: bars grow each second, and what is new is fetched every few seconds.

import { refresh } from "./times.js";

const EVERY_MS = 3000;
const opened = Date.now();
const place = () => document.getElementById("job-live");

function grow() {
  const chart = place().querySelector("svg.timeline");
  const { begin, end, now, left, right } = chart.dataset;
  const time = Number(now) + Date.now() - opened;
  const share = Math.min((time - begin) / (end - begin), 1);
  const to = Number(left) + share * (right - left);
  for (const bar of chart.querySelectorAll("[data-grows]")) {
    const box = bar.querySelector("rect");
    box.setAttribute("width", Math.max(to - box.getAttribute("x"), 1).toFixed(1));
    const beside = bar.querySelector("text:not(.within)");
    beside?.setAttribute("x", (Number(box.getAttribute("x")) + Number(box.getAttribute("width")) + 4).toFixed(1));
  }
}

async function renew() {
  const answer = await fetch(location.href, { headers: { "X-Fragment": "1" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("job-live");
  if (!fresh || place().matches(":hover, :focus-within")) return;
  fresh.querySelector("svg.timeline").dataset.now = String(Number(fresh.querySelector("svg.timeline").dataset.now) - (Date.now() - opened));
  place().replaceWith(fresh);
  refresh(fresh);
  document.querySelector("main > .head .state")?.replaceWith(page.querySelector(".head .state"));
}

const isOn = () => !document.hidden && "running" in (place()?.dataset ?? {});
if (place()) {
  setInterval(() => isOn() && grow(), 1000);
  setInterval(() => isOn() && renew().catch(() => {}), EVERY_MS);
}
