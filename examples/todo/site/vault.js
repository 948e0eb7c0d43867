// The seed at rest: sealed by a passkey or a passphrase, or in the clear.

/** What OWASP asks for with PBKDF2 and SHA-256. */
const ITERATIONS = 600_000;
/** A record that asks for more would only keep the browser busy. */
const MOST_ITERATIONS = 10_000_000;

const encoder = new TextEncoder();
const random = (length) => crypto.getRandomValues(new Uint8Array(length));

/** Says that the passphrase is another, or that the authenticator is. */
export class WrongKey extends Error {}
/** Says that there is no passkey to be had here. */
export class NoPasskey extends Error {}

/** Seals a seed, which is 64 hex digits, with a passphrase. */
export async function sealWithPassphrase(seed, passphrase) {
  const salt = random(16);
  const key = await passphraseKey(passphrase, salt, ITERATIONS);
  return { kind: "passphrase", salt, iterations: ITERATIONS, ...(await seal(key, "passphrase", seed)) };
}

export async function openWithPassphrase(record, passphrase) {
  if (!(record.iterations >= ITERATIONS && record.iterations <= MOST_ITERATIONS)) throw new WrongKey("What is kept here is damaged.");
  return open(await passphraseKey(passphrase, record.salt, record.iterations), record, "This is not the passphrase.");
}

/** Tells whether the browser may have passkeys that seal. Only the attempt shows whether the person's device has them. */
export async function mayHavePasskey() {
  if (!globalThis.PublicKeyCredential || !isSecureContext || /^[\d.]+$|:/.test(location.hostname)) return false;
  const capabilities = await PublicKeyCredential.getClientCapabilities?.().catch(() => null);
  return capabilities?.["extension:prf"] ?? capabilities?.prf ?? true;
}

/** Makes a passkey, which asks the person, and seals a seed with what only it computes. */
export async function sealWithPasskey(seed, name) {
  const input = random(32);
  let credential;
  try {
    credential = await navigator.credentials.create({
      publicKey: {
        rp: { name: "Todo" },
        user: { id: random(16), name, displayName: name },
        challenge: random(32),
        pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
        authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        extensions: { prf: { eval: { first: input } } },
      },
    });
  } catch (error) {
    throw new NoPasskey("No passkey was made.", { cause: error });
  }
  const { prf } = credential.getClientExtensionResults();
  if (!prf?.enabled) throw new NoPasskey("This passkey cannot seal anything: choose a passphrase.");
  const id = new Uint8Array(credential.rawId);
  const output = prf.results?.first ?? (await compute(id, input));
  return { kind: "passkey", id, input, ...(await seal(await passkeyKey(output), "passkey", seed)) };
}

export async function openWithPasskey(record) {
  const output = await compute(record.id, record.input);
  return open(await passkeyKey(output), record, "This is another passkey.");
}

/** Has the passkey compute a secret from its input. */
async function compute(id, input) {
  let credential;
  try {
    credential = await navigator.credentials.get({
      publicKey: {
        challenge: random(32),
        allowCredentials: [{ type: "public-key", id }],
        userVerification: "required",
        extensions: { prf: { eval: { first: input } } },
      },
    });
  } catch (error) {
    throw new NoPasskey("The passkey was not used.", { cause: error });
  }
  const output = credential.getClientExtensionResults().prf?.results?.first;
  if (!output) throw new NoPasskey("This passkey cannot open anything here: use the browser that made it, or the words.");
  return output;
}

async function passphraseKey(passphrase, salt, iterations) {
  const text = encoder.encode(passphrase.normalize("NFKC"));
  const material = await crypto.subtle.importKey("raw", text, "PBKDF2", false, ["deriveKey"]);
  return aesKey({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, material);
}

async function passkeyKey(output) {
  const material = await crypto.subtle.importKey("raw", output, "HKDF", false, ["deriveKey"]);
  return aesKey({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoder.encode("todo seed at rest") }, material);
}

function aesKey(derivation, material) {
  return crypto.subtle.deriveKey(derivation, material, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

async function seal(key, kind, seed) {
  const nonce = random(12);
  const sealed = await crypto.subtle.encrypt(cipher(nonce, kind), key, encoder.encode(seed));
  return { nonce, sealed: new Uint8Array(sealed) };
}

async function open(key, { kind, nonce, sealed }, complaint) {
  try {
    return new TextDecoder().decode(await crypto.subtle.decrypt(cipher(nonce, kind), key, sealed));
  } catch {
    throw new WrongKey(complaint);
  }
}

/** What is sealed in one way cannot be passed off as sealed in the other. */
function cipher(iv, kind) {
  return { name: "AES-GCM", iv, additionalData: encoder.encode(`todo seed sealed by a ${kind}`) };
}
