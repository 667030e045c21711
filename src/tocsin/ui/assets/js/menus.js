// Menus close when something else is clicked, and by Escape; the one of tenants offers their names.

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

const names = document.querySelector("datalist[data-from]");

async function offer() {
  const answer = await fetch(names.dataset.from, { headers: { "X-Fragment": "1" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const links = [...page.querySelectorAll("[data-open]")];
  names.replaceChildren(...links.map((link) => new Option(link.textContent, link.textContent)));
}

names?.closest("details").addEventListener("toggle", () => offer().catch(() => {}), { once: true });
