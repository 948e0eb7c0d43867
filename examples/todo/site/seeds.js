// What is done with seeds in Rust, in a worker that lives only as long as a question takes.

/** Makes an account: `{ seed, words, fingerprint }`. */
export const createSeed = () => ask({ do: "create" });

/** Reads 24 words, or 64 hex digits; rejects with a sentence. */
export const readSeed = (text) => ask({ do: "read", text });

/** Draws a QR code: `{ size, path }`, the path of an SVG. */
export const drawCode = (text) => ask({ do: "draw", text });

async function ask(request) {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "seeds" });
  try {
    const answer = await new Promise((resolve, reject) => {
      worker.onerror = () => reject(new Error("The program for this page cannot be loaded: load the page again."));
      worker.onmessage = ({ data }) => {
        if (data.ready) worker.postMessage({ id: 1, ask: JSON.stringify(request) });
        else resolve(JSON.parse(data.answer));
      };
    });
    if (answer.error) throw new Error(answer.error);
    return answer;
  } finally {
    worker.terminate();
  }
}
