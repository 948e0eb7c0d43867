// The site: a device that lives in this browser.

import { onBrought, takeBrought } from "./fragment.js";
import { keepAccount, keepNewAccount, loadAccount } from "./account.js";
import { Device } from "./device.js";
import { setText } from "./dom.js";
import { Engine } from "./engine.js";
import { pageKeys } from "./keys.js";
import { addAccountButton } from "./panel.js";
import { readSeed } from "./seeds.js";
import { chooseAccount, chooseHost, confirmAccount, enter, protect, showStep } from "./start.js";
import { unlock } from "./unlock.js";

/** Where the tabs of this site tell one another that the host has changed. */
const tabs = new BroadcastChannel("todo");
/** The device that runs, once it does. */
const devices = [];
pageKeys(devices);

if (window.top !== window.self) {
  // Another site that shows this one in a frame could have the person click what they do not see.
  document.body.textContent = "This site does not open within another.";
} else {
  // Without it, the site works as long as there is a network.
  if ("serviceWorker" in navigator) keepThisVersion().catch(() => {});
  begin().catch((error) => {
    const find = showStep("failure");
    setText(find(".complaint"), error.message);
    find("[data-host]").hidden = true;
    find("[data-again]").addEventListener("click", () => location.reload());
  });
}

/** Has the version that runs kept for when there is no network. The browser looks for it once a load; should that fail, it is asked
    again. A version that the site no longer has is given up. */
async function keepThisVersion() {
  const worker = new URL("../service-worker.js", import.meta.url);
  const registration = await navigator.serviceWorker.register(worker, { updateViaCache: "none" });
  for (let seconds = 4; seconds < 400; seconds *= 2) {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    if (!registration.installing && (await caches.match(import.meta.url))) return;
    await registration.update().catch(() => {});
  }
}

async function begin() {
  const kept = await loadAccount();
  // A link changes nothing where there is an account.
  onBrought(() => (kept || devices.length > 0 ? takeBrought() : firstStart()));
  if (!kept) return firstStart();
  takeBrought();
  run((await unlock(kept)) ?? (await enterAgain(kept)), kept, true);
}

async function firstStart() {
  const brought = takeBrought();
  const account = (brought && (await confirmBrought(brought))) ?? (await chooseAccount());
  const host = await chooseHost(brought?.host ?? "");
  const record = { ...(await protect(account)), fingerprint: account.fingerprint, host };
  const isKept = await keepNewAccount(record);
  // Meanwhile, another tab may have set one up, which must not be lost.
  if (!isKept && (await loadAccount())) location.reload();
  else run(account.seed, record, isKept);
}

async function confirmBrought({ seed }) {
  const account = await readSeed(seed).catch(() => null);
  return account && confirmAccount(account);
}

/** Lets a person in who has lost the passphrase or the passkey, but has the words of this account. */
async function enterAgain(record) {
  for (;;) {
    const account = await enter();
    if (account?.fingerprint === record.fingerprint) {
      Object.assign(record, { sealed: undefined, ...(await protect(account)) });
      await keepAccount(record);
      return account.seed;
    }
    const seed = await unlock(record);
    if (seed) return seed;
  }
}

/** Runs the device. `isKept` tells whether this browser will know the account the next time. */
function run(seed, record, isKept) {
  const engine = new Engine({ seed, host: record.host }, (sentence) => fail(sentence, seed, record, isKept));
  const device = new Device("this", "This device", engine);
  document.getElementById("devices").replaceChildren(device.element);
  addAccountButton(device, record, async (host) => {
    const isStillKept = await keepAccount({ ...record, host });
    tabs.postMessage({ host });
    restart(host, isStillKept);
  });
  // All tabs of this browser are one device.
  tabs.onmessage = ({ data: { host } }) => restart(host, isKept);
  const restart = (host, isStillKept) => {
    engine.stop();
    run(seed, { ...record, host }, isStillKept);
  };
  devices.splice(0, devices.length, device);
  if (!isKept) device.warn(["This browser keeps nothing for this site, so it asks for the words again the next time."]);
}

/** Says why the device cannot be opened, and what the person can do. */
function fail(sentence, seed, record, isKept) {
  const find = showStep("failure");
  setText(find(".complaint"), sentence);
  find("[data-again]").addEventListener("click", () => run(seed, record, isKept));
  find("[data-host]").addEventListener("click", async () => {
    const changed = { ...record, host: await chooseHost(record.host, sentence) };
    run(seed, changed, await keepAccount(changed));
  });
}
