// A click on [data-copy] copies its text; [data-copy-next] copies the text of what follows it.

async function copy(text, from) {
  await navigator.clipboard.writeText(text);
  say("Copied");
  from.classList.add("good");
  setTimeout(() => from.classList.remove("good"), 1200);
}

// Tells a person what happened, aloud and on the page.
export function say(text) {
  const line = document.createElement("p");
  line.className = "toast";
  line.textContent = text;
  const place = document.querySelector(".toasts");
  place.replaceChildren(line);
  setTimeout(() => line.remove(), 4000);
}

document.addEventListener("click", (event) => {
  const from = event.target.closest("[data-copy], [data-copy-next]");
  if (!from) return;
  const text = from.dataset.copy ?? from.nextElementSibling.textContent;
  copy(text, from).catch(() => say("The browser does not allow copying here."));
});
