// The strip of attempts: what the cell under the pointer or with the focus is, in words beside it; arrow keys go from one to the next.

const strip = document.querySelector("[data-strip]");
const said = strip?.querySelector("[data-strip-said]");
const cells = [...(strip?.querySelectorAll("a") ?? [])];

function say(event) {
  const cell = event.target.closest("a");
  if (cell) said.textContent = `· ${cell.getAttribute("aria-label")}`;
}

strip?.addEventListener("pointerover", say);
strip?.addEventListener("focusin", say);
strip?.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const next = step && cells[cells.indexOf(event.target) + step];
  if (!next) return;
  event.preventDefault();
  event.target.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
});
