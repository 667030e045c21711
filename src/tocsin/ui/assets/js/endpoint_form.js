// The form of an endpoint: parts that do not apply are hidden, rows are added, and what it would send is shown while people type. Without
// this script all parts are there, and the buttons ask the server.

const form = document.getElementById("endpoint");
const panel = document.getElementById("panel");
const said = document.getElementById("said");
const touched = new Set();
let asked = 0;
let timer = 0;

function fold() {
  for (const part of form.querySelectorAll("[data-when]")) {
    const field = form.elements[part.dataset.when];
    part.hidden = !part.dataset.is.split(" ").includes(field.value);
  }
}

function add(rows) {
  const all = [...rows.querySelectorAll("[data-row-of]")].filter((row) => row.dataset.rowOf === rows.dataset.rows);
  const last = all[all.length - 1];
  const fresh = last.cloneNode(true);
  const at = `${rows.dataset.rows}.`;
  for (const one of fresh.querySelectorAll(".detail")) one.remove();
  for (const one of fresh.querySelectorAll(".wrong")) one.classList.remove("wrong");
  const number = Number(last.querySelector("[name]").name.slice(at.length).split(".")[0]);
  const rename = (text) => text.replace(`${at}${number}.`, `${at}${number + 1}.`);
  for (const one of fresh.querySelectorAll("[name], [id], [for], [aria-describedby]")) {
    for (const name of ["name", "id", "for", "aria-describedby"]) {
      if (one.hasAttribute(name)) one.setAttribute(name, rename(one.getAttribute(name)));
    }
    if (one.type === "hidden") one.remove();
    else if (one.type === "checkbox") one.checked = false;
    else if ("value" in one) one.value = "";
  }
  last.after(fresh);
  fresh.open = true;
  fresh.querySelector("input:not([type=checkbox]), textarea").focus();
}

function place(problems) {
  for (const note of form.querySelectorAll(".as-typed")) note.remove();
  for (const one of problems) {
    const field = document.getElementById(`f-${one.dataset.name}`);
    const box = field?.closest(".field");
    if (!box || !touched.has(one.dataset.name)) continue;
    const note = document.createElement("p");
    note.className = "detail hint as-typed";
    note.textContent = one.textContent;
    box.append(note);
  }
  for (const box of form.querySelectorAll(".field")) box.classList.toggle("wrong", !!box.querySelector(".detail"));
}

// Whoever was signed out meanwhile loses nothing: the form stays, and takes the token of the session that comes after.
async function isSignedIn() {
  const answer = await fetch(form.action, { headers: { "X-Fragment": "1" } });
  panel.querySelector("[data-out]")?.remove();
  if (answer.redirected) {
    panel.prepend(document.getElementById("signed-out").content.cloneNode(true));
    said.textContent = panel.querySelector("[data-out]").textContent;
    return false;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const token = page.querySelector("#endpoint [name=csrf]")?.value;
  if (token) form.elements.csrf.value = token;
  return true;
}

async function show(what) {
  const mine = ++asked;
  const fields = new URLSearchParams(new FormData(form));
  fields.set("do", what);
  panel.setAttribute("aria-busy", "true");
  const answer = await fetch(form.dataset.panel, { method: "POST", body: fields, headers: { "X-Fragment": "1" } });
  if (answer.redirected || answer.status === 403) {
    panel.removeAttribute("aria-busy");
    const before = form.elements.csrf.value;
    if ((await isSignedIn()) && form.elements.csrf.value !== before) await show(what);
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine !== asked) return;
  const problems = [...page.querySelectorAll("[data-problems] li")];
  page.querySelector("[data-problems]")?.remove();
  page.querySelector(".head")?.remove();
  page.getElementById("keys")?.remove();
  for (const refused of form.querySelectorAll(".field > .hint > .detail")) refused.remove();
  place(problems);
  panel.replaceChildren(...page.body.childNodes);
  panel.removeAttribute("aria-busy");
  said.textContent = panel.querySelector(".problem, [data-sum]")?.textContent ?? "";
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(() => show("preview").catch(() => {}), 400);
}

form.addEventListener("input", (event) => {
  if (event.target.name) touched.add(event.target.name);
  if (event.target.matches("[data-sensitive]")) {
    const value = form.elements[event.target.name.replace(/sensitive$/, "value")];
    value.type = event.target.checked ? "password" : "text";
  }
  fold();
  soon();
});

form.addEventListener("click", (event) => {
  const more = event.target.closest("[data-more]");
  const does = event.target.closest("[data-do]");
  if (!more && !does) return;
  event.preventDefault();
  if (more) return add(more.closest("[data-rows]"));
  clearTimeout(timer);
  for (const one of form.elements) if (one.name && does.value === "test") touched.add(one.name);
  show(does.value).catch(() => form.requestSubmit(does));
});

// A second click must not make a second endpoint.
let isSent = false;
let isSure = false;
form.addEventListener("submit", async (event) => {
  if (isSure) return;
  event.preventDefault();
  if (isSent) return;
  isSent = true;
  isSure = await isSignedIn().catch(() => true);
  isSent = isSure;
  if (isSure) form.requestSubmit(event.submitter);
});
addEventListener("pageshow", () => (isSent = isSure = false));

fold();
form.querySelector("[aria-invalid]")?.focus();
