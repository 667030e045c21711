// A list with its detail beside it: a click on a link [data-detail=address] within [data-split] loads the content of that address.
// Without this script the link leads to the page itself. The address of the open one is kept as `open` in the page's own.

import { refresh } from "./times.js";

const split = document.querySelector("[data-split]");
const place = document.getElementById("detail");

async function open(address, name) {
  place.setAttribute("aria-busy", "true");
  const answer = await fetch(address, { headers: { "X-Fragment": "1" } });
  if (answer.redirected) return location.assign(address);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  place.replaceChildren(closer(), ...page.body.childNodes);
  for (const back of place.querySelectorAll("input[name=back]")) back.value = location.pathname + location.search;
  place.removeAttribute("aria-busy");
  place.hidden = false;
  split.classList.add("open");
  refresh(place);
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
  place.hidden = true;
  place.replaceChildren();
  split.classList.remove("open");
  document.querySelector("tr.here [data-open]")?.focus();
}

function keep(name) {
  const address = new URL(location.href);
  if (name) address.searchParams.set("open", name);
  else address.searchParams.delete("open");
  if (address.href !== location.href) history.pushState(null, "", address);
  follow();
}

function follow() {
  const name = new URL(location.href).searchParams.get("open");
  if (!name) return close();
  const link = [...split.querySelectorAll("[data-detail]")].find((link) => link.dataset.name === name);
  const address = link?.dataset.detail ?? (split.dataset.split && split.dataset.split.replace("NAME", encodeURIComponent(name)));
  if (address) open(address, name).catch(() => location.assign(address));
}

if (split && place) {
  split.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-detail]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    keep(link.dataset.name);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !place.hidden && !document.querySelector("dialog[open]")) keep(null);
  });
  addEventListener("popstate", follow);
  if (new URL(location.href).searchParams.has("open")) follow();
}
