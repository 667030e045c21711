// Server-sent events for pages that are live: `listen(address, { name: (data) => ... }, tell)`.
// `tell` hears "live", "waiting" (the browser tries again by itself) and "ended". Gives a function that ends it.

export function listen(address, on, tell = () => {}) {
  const source = new EventSource(address);
  source.addEventListener("open", () => tell("live"));
  source.addEventListener("error", () => tell(source.readyState === EventSource.CLOSED ? "ended" : "waiting"));
  for (const [name, take] of Object.entries(on)) {
    source.addEventListener(name, (event) => take(JSON.parse(event.data), event));
  }
  addEventListener("pagehide", () => source.close());
  return () => source.close();
}
