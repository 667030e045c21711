// The switch between light and dark, without leaving the page; the server remembers it in a cookie.

const form = document.querySelector("form[data-theme-switch]");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  const fields = new URLSearchParams(new FormData(form));
  fields.set("theme", theme);
  root.dataset.theme = theme;
  fetch(form.action, { method: "POST", body: fields, redirect: "manual" });
});
