// The list of deliveries: how many are selected; and forms, also those in the detail, lead back to the list as it is now.

const said = document.querySelector("#many [data-ticked]");

function count() {
  const ticked = document.querySelectorAll("input[name=id]:checked").length;
  if (said) said.textContent = ticked ? `${ticked} selected:` : "Selected:";
}

document.addEventListener("change", (event) => event.target.name === "id" && count());
document.addEventListener("submit", (event) => {
  const back = event.target.querySelector("input[name=back]");
  if (back) back.value = location.pathname + location.search;
});
addEventListener("pageshow", count);
