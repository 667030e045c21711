"""Whether a page in a browser is what its template made of it, whatever the data say: nothing ran, nothing was added, it holds."""

from __future__ import annotations

from playwright.async_api import Page
from tests.kit.ui_world import TURN

SCREENS = {"1280 px": (1280, 800), "200 % of 1280 px": (640, 400), "400 px": (400, 800)}
WATCH = """
window.broken = [];
addEventListener("securitypolicyviolation", (event) => window.broken.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
"""To be run before anything of the page does: what its policy refuses is kept."""
LOOK = """
(turn) => {
  const faults = [...(window.broken ?? ["nobody watched the policy"])];
  if (window.hurt !== undefined) faults.push("a script ran");
  const told = (one) => one.outerHTML.slice(0, 160);
  for (const one of document.querySelectorAll("img, iframe, frame, object, embed, base, style, math, meta[http-equiv], svg svg, form form, textarea *, title *")) faults.push(told(one));
  for (const one of document.querySelectorAll("*")) {
    for (const { name, value } of one.attributes) {
      if (/^on|^style$|^srcdoc$/.test(name)) faults.push(told(one));
      if (!/^(xlink:)?href$|^src$|action$/.test(name)) continue;
      const at = new URL(value, location.href);
      if (at.origin !== location.origin) faults.push(told(one));
      if (one.localName === "script" && !at.pathname.startsWith("/ui/assets/")) faults.push(told(one));
    }
    if (one.localName === "script" && (!one.src || one.textContent)) faults.push(told(one));
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!text.data.includes(turn) || !text.parentElement.checkVisibility()) continue;
    const style = getComputedStyle(text.parentElement);
    const ends = style.display !== "inline" || style.unicodeBidi === "isolate";
    const after = text.nextSibling?.textContent.trim();
    if (!ends || after) faults.push(`turns what follows: ${text.data.match(/@[a-z_]+@/)} in ${text.parentElement.cloneNode().outerHTML} of ${text.parentElement.parentElement.cloneNode().outerHTML}, then ${after}`);
  }
  return faults;
}
"""


async def faults_of(page: Page) -> list[str]:
    """What is not as it should be, on the screen as it is and on the others."""
    faults: list[str] = await page.evaluate(LOOK, TURN)
    before = page.viewport_size
    for name, (width, height) in SCREENS.items():
        await page.set_viewport_size({"width": width, "height": height})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            faults.append(f"{wide} px wide on a screen of {name}")
    assert before is not None
    await page.set_viewport_size(before)
    return faults
