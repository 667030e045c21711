// A list with its detail beside it: a click on a link [data-detail=address] within [data-split] loads the content of that address.
// Without this script the link leads to the page itself. The address of the open one is kept as `open` in the page's own. While a
// detail is open it follows the row that is gone to by key, and one that has a [data-refresh] with seconds is looked at anew.

import { select } from "./keyboard.js";
import { refresh } from "./times.js";

const split = document.querySelector("[data-split]");
const place = document.getElementById("detail");
let asked = 0;

async function load(address) {
  const number = ++asked;
  const answer = await fetch(address, { headers: { "X-Fragment": "1" } });
  if (answer.redirected) return location.assign(address);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (number !== asked) return; // another one was asked for meanwhile
  place.replaceChildren(closer(), ...page.body.childNodes);
  for (const back of place.querySelectorAll("input[name=back]")) back.value = location.pathname + location.search;
  refresh(place);
}

async function open(address, name) {
  place.setAttribute("aria-busy", "true");
  await load(address);
  place.removeAttribute("aria-busy");
  if (place.hidden && matchMedia("(max-width: 900px)").matches) scrollTo(0, 0);
  place.hidden = false;
  split.classList.add("open");
  place.dispatchEvent(new CustomEvent("detail", { bubbles: true, detail: { name } }));
}

function closer() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "✕ close";
  button.addEventListener("click", () => keep(null));
  return button;
}

function close() {
  asked += 1;
  place.hidden = true;
  place.replaceChildren();
  split.classList.remove("open");
  document.querySelector("tr.here [data-open]")?.focus();
}

function keep(name, step = "pushState") {
  const address = new URL(location.href);
  if (name) address.searchParams.set("open", name);
  else address.searchParams.delete("open");
  if (address.href !== location.href) history[step](null, "", address);
  follow();
}

function linkOf(name) {
  return [...split.querySelectorAll("[data-detail]")].find((link) => link.dataset.name === name);
}

function addressOf(name) {
  return linkOf(name)?.dataset.detail ?? (split.dataset.split && split.dataset.split.replace("NAME", encodeURIComponent(name)));
}

const opened = () => new URL(location.href).searchParams.get("open");

function follow() {
  const name = opened();
  if (!name) return close();
  const row = linkOf(name)?.closest("[data-row]");
  if (row) select(row);
  const address = addressOf(name);
  if (address) open(address, name).catch(() => location.assign(address));
}

async function again() {
  const seconds = Number(place.querySelector("[data-refresh]")?.dataset.refresh ?? 0);
  const isAtWork = document.hidden || place.contains(document.activeElement) || !getSelection().isCollapsed;
  if (seconds && !isAtWork && opened()) await load(addressOf(opened())).catch(() => {});
  setTimeout(again, (seconds || 3) * 1000);
}

if (split && place) {
  split.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-detail]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    keep(link.dataset.name);
  });
  document.addEventListener("row", (event) => {
    const link = event.target.querySelector("[data-detail]");
    if (link && !place.hidden && !place.contains(link)) keep(link.dataset.name, "replaceState");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !place.hidden && !document.querySelector("dialog[open]")) keep(null);
  });
  addEventListener("popstate", follow);
  if (opened()) follow();
  again();
}
