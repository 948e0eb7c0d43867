// What a link or a QR code brings along: `#seed=…&host=…`. The first module of the site, because the seed must not stay in the
// address bar, in the history, or in what the person copies from there.

let brought = take();

function take() {
  const fields = new URLSearchParams(location.hash.slice(1));
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  return fields.has("seed") ? { seed: fields.get("seed"), host: fields.get("host") ?? "" } : null;
}

/** Returns what was brought, once. */
export function takeBrought() {
  const taken = brought;
  brought = null;
  return taken;
}

/** Does something when a link is opened in a tab that shows the site already. */
export function onBrought(act) {
  addEventListener("hashchange", () => {
    brought = take() ?? brought;
    if (brought) act();
  });
}

/** Returns the link that brings an account to another device. */
export function linkTo({ seed, host }) {
  return `${location.origin}${location.pathname}#${new URLSearchParams({ seed, ...(host && { host }) })}`;
}
