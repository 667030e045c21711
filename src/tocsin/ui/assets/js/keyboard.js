// Keys: `/` search, `g` and a letter for a section ([data-go]), `j` `k` rows ([data-row]), Enter opens ([data-open]), `x` selects,
// `?` help; any other letter presses the [data-key] of the row, else of the detail, else of the page.

let going = 0;

const here = () => document.querySelector("tr.here");

function isTyping(target) {
  return target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const at = rows.indexOf(here());
  const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  select(next);
  const link = next.querySelector("[data-open]");
  (link ?? next).focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  next.dispatchEvent(new Event("row", { bubbles: true }));
}

export function select(row) {
  here()?.classList.remove("here");
  row.classList.add("here");
}

function press(key) {
  const within = [here(), document.getElementById("detail"), document.querySelector("main")];
  for (const place of within) {
    const button = place?.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (button) return button.click();
  }
}

function go(letter) {
  document.querySelector(`[data-go="${CSS.escape(letter)}"]`)?.click();
}

const KEYS = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": () => document.getElementById("keys")?.showModal(),
  g: () => (going = Date.now()),
  j: () => move(1),
  k: () => move(-1),
  x: () => here()?.querySelector("input[type=checkbox]")?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key.length !== 1) return;
  if (Date.now() - going < 1500) {
    going = 0;
    go(event.key);
  } else if (KEYS[event.key]) {
    KEYS[event.key]();
  } else {
    press(event.key);
    return;
  }
  event.preventDefault();
});

document.addEventListener("focusin", (event) => {
  const row = event.target.closest("[data-row]");
  if (row) select(row);
});
