// What the browser remembers of the account: the seed as `vault.js` makes it, its fingerprint, and the host's address.

const NAME = "todo";
const STORE = "account";
const KEY = "this";

/** Returns the record, or null if there is none, or the browser keeps nothing for this site. */
export async function loadAccount() {
  try {
    return (await transact("readonly", (store) => store.get(KEY))) ?? null;
  } catch {
    return null;
  }
}

/** Keeps the record, and tells whether the browser does. */
export const keepAccount = (record) => keep((store) => store.put(record, KEY));

/** The same, but not in place of another record. */
export const keepNewAccount = (record) => keep((store) => store.add(record, KEY));

async function keep(act) {
  try {
    await transact("readwrite", act);
    // Window only, so it is asked for here: without it, the browser may remove everything when it runs out of room.
    await navigator.storage?.persist?.();
    return true;
  } catch {
    return false;
  }
}

async function transact(mode, act) {
  const database = await new Promise((resolve, reject) => {
    const opening = indexedDB.open(NAME, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = opening.onblocked = () => reject(opening.error);
  });
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode, { durability: "strict" });
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}
