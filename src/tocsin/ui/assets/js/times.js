// Relative times go on while the page is open: <time data-time datetime="...">; one that is "due" is never in the past.

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export function ago(time, now) {
  const seconds = Math.trunc((Date.parse(time) - now) / 1000);
  const apart = Math.abs(seconds);
  if (apart < 1) return "now";
  const [size, unit] = UNITS.find(([size]) => apart >= size);
  const count = apart / size;
  const whole = count >= 10 || unit === "min" || unit === "s";
  const text = `${whole ? Math.trunc(count) : Math.trunc(count * 10) / 10} ${unit}`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

export function refresh(root = document) {
  const now = Date.now();
  for (const shown of root.querySelectorAll("time[data-time]")) {
    const text = ago(shown.dateTime, shown.dataset.time === "due" ? Math.min(now, Date.parse(shown.dateTime)) : now);
    if (shown.textContent !== text) shown.textContent = text;
  }
}

// Those outside of rows are reached by Tab, so that the exact time is seen without a pointer too.
function reach() {
  for (const shown of document.querySelectorAll("time[data-time]:not([data-row] *, [tabindex])")) shown.tabIndex = 0;
}

reach();
setInterval(() => document.hidden || (refresh(), reach()), 5000);
