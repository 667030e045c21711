// Beside the search box: whether the numbers of the page are of now ([data-live]); `refreshed` says that they are.

const mark = document.querySelector("[data-live]");
const place = document.querySelector("[data-refresh]");
let last = Date.now();

function show(kind, text) {
  if (!mark.hidden && mark.textContent === text) return;
  mark.className = `state ${kind}`;
  mark.textContent = text;
  mark.hidden = false;
}

function isHeld() {
  return document.hidden || place.contains(document.activeElement) || !getSelection().isCollapsed;
}

function judge() {
  if (Date.now() - last < 2000 * place.dataset.refresh) return;
  if (isHeld()) show("held", "‖ held while you work in it");
  else show("bad", `✕ no answer since ${new Date(last).toISOString().slice(11, 19)} UTC`);
}

function isNew() {
  last = Date.now();
  show("good", "● live");
}

document.addEventListener("refreshed", isNew);
setInterval(judge, 1000);
isNew();
