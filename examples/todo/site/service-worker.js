// Makes the site work offline. A version of the site is a folder of its own name, and a page loads everything from the folder
// that it names, so no page ever mixes two versions. What is kept is checked by its hash.

const VERSION = "{version}";
/** The SHA-256 of each file, by its path. */
const FILES = {files};
/** The page itself, in this version. */
const INDEX = "./";
/** How long a page waits for the network before it takes what is kept. */
const PATIENCE = 3000;

/** Another site may have the same origin. */
const OURS = `todo at ${self.registration.scope} `;
const CACHE = OURS + VERSION;
const HASH = "x-content-hash";
const HEADERS = {headers};

const addressOf = (path) => new URL(path, self.registration.scope).href;

self.addEventListener("install", (event) => {
  event.waitUntil(install().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOldVersions().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  const isOurs = request.method === "GET" && request.url.startsWith(self.registration.scope);
  if (!isOurs) return;
  if (request.mode === "navigate") event.respondWith(navigate());
  else if (address.pathname.startsWith(new URL(addressOf("v-")).pathname)) event.respondWith(serve(request));
});

/** Keeps this version, or nothing of it: what is unchanged is taken from an earlier one. */
async function install() {
  const isNew = !(await caches.has(CACHE));
  try {
    const cache = await caches.open(CACHE);
    const known = await knownFiles();
    await Promise.all(
      Object.entries(FILES).map(async ([path, hash]) => {
        const response = (await checked(known.get(hash)?.clone(), hash)) ?? (await fetchExactly(path, hash));
        await cache.put(addressOf(path), response);
      }),
    );
  } catch (error) {
    if (isNew) await caches.delete(CACHE);
    throw error;
  }
}

async function fetchExactly(path, hash) {
  const response = await fetch(addressOf(path), { cache: "no-cache" });
  if (!response.ok) throw new Error(`${path} is not there`);
  const exact = await checked(response, hash);
  if (!exact) throw new Error(`${path} is of another version`);
  return exact;
}

/** Returns a response as it is kept, or null if its content is not what it should be, or gone: the worker of an earlier version may be
    deleting what it kept. */
async function checked(response, hash) {
  const content = await response?.arrayBuffer().catch(() => null);
  if (!content) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== hash) return null;
  const type = response.headers.get("content-type") ?? "application/octet-stream";
  return new Response(content, { headers: { ...HEADERS, "content-type": type, [HASH]: hash } });
}

/** Returns what earlier versions keep, by hash. */
async function knownFiles() {
  const known = new Map();
  for (const name of (await caches.keys()).filter((name) => name.startsWith(OURS))) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      const response = await cache.match(request);
      const hash = response?.headers.get(HASH);
      if (hash && !known.has(hash)) known.set(hash, response);
    }
  }
  return known;
}

/** Keeps the version before this one, for pages that are still open. */
async function forgetOldVersions() {
  const names = (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== CACHE);
  await Promise.all(names.slice(0, -1).map((name) => caches.delete(name)));
}

/** The page comes from the network, so that an update arrives with the next load, and from here without one. */
async function navigate() {
  const address = addressOf(INDEX);
  try {
    const response = await fetch(address, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE) });
    if (response.ok && !response.redirected) return response;
  } catch {
    // Offline, or as good as that.
  }
  return (await (await caches.open(CACHE)).match(address)) ?? fetch(address);
}

async function serve(request) {
  return (await caches.match(request, { ignoreSearch: true, ignoreVary: true })) ?? fetch(request);
}
