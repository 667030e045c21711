// The list of deliveries: how many are selected, a box that selects all of the page; and forms, also those in the detail, lead back
// to the list as it is now.

const said = document.querySelector("#many [data-ticked]");
const boxes = () => [...document.querySelectorAll("input[name=id]")];

function count() {
  const all = boxes();
  const ticked = all.filter((box) => box.checked).length;
  if (said) said.textContent = ticked ? `${ticked} selected:` : "Selected:";
  const whole = document.querySelector("[data-all]");
  if (!whole) return;
  whole.checked = ticked > 0 && ticked === all.length;
  whole.indeterminate = ticked > 0 && ticked < all.length;
}

function offerAll() {
  const head = document.querySelector("th.tick");
  if (!head || head.querySelector("input")) return;
  const whole = Object.assign(document.createElement("input"), { type: "checkbox", ariaLabel: "Select all of this page" });
  whole.dataset.all = "";
  whole.addEventListener("change", () => {
    for (const box of boxes()) box.checked = whole.checked;
    count();
  });
  head.append(whole);
}

document.addEventListener("change", (event) => event.target.name === "id" && count());
document.addEventListener("submit", (event) => {
  const back = event.target.querySelector("input[name=back]");
  if (back) back.value = location.pathname + location.search;
});
document.addEventListener("refreshed", offerAll);
addEventListener("pageshow", count);
offerAll();
