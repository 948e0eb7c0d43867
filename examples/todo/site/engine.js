// The carrier to the device within the browser: a worker, made again when it crashes.

const FIRST_WAIT = 250;
const LONGEST_WAIT = 30_000;
const OPENING = "Opening your lists";

export class Engine {
  absence = "Your lists are not open: wait a moment, or load the page again.";
  isOpen = false;
  #config;
  #failed;
  #receiver;
  #worker;
  #wait = FIRST_WAIT;
  #timer;
  #end = new AbortController();

  /** `failed(sentence)` is called when the device cannot be opened. */
  constructor(config, failed) {
    this.#config = JSON.stringify(config);
    this.#failed = failed;
  }

  start(receiver) {
    this.#receiver = receiver;
    receiver.closed(OPENING);
    this.#begin();
    // A frozen page would hold the store, while other tabs wait for it.
    const on = (event, act) => document.addEventListener(event, act, { signal: this.#end.signal });
    on("freeze", () => this.#close("Asleep"));
    on("resume", () => this.#worker?.postMessage({ open: this.#config }));
  }

  send(id, text) {
    this.#worker.postMessage({ id, ask: text });
  }

  /** Ends it, for good. What was answered is on disk. */
  stop() {
    clearTimeout(this.#timer);
    this.#worker?.terminate();
    this.#worker = null;
    this.#end.abort();
  }

  #begin() {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "device" });
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (worker === this.#worker) this.#take(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#crash("The program for this page stopped");
    };
  }

  #take({ ready, role, why, push, id, answer, failed, crashed }) {
    if (ready) this.#worker.postMessage({ open: this.#config });
    if (role === "waiting") this.#receiver.closed(why ?? "Another tab has your lists open", false);
    if (role === "owner" || role === "follower") {
      this.isOpen = true;
      this.#wait = FIRST_WAIT;
      this.#receiver.opened();
    }
    if (push !== undefined) this.#receiver.took(JSON.parse(push));
    if (answer !== undefined) this.#receiver.took({ answer: JSON.parse(answer) });
    else if (id !== undefined) this.#receiver.took({ answer: { id, error: failed } });
    else if (crashed) this.#crash(failed);
    else if (failed) this.#failed(failed);
  }

  #close(why) {
    this.isOpen = false;
    this.#worker?.postMessage({ close: true });
    this.#receiver.closed(why);
  }

  #crash(why) {
    this.#worker.terminate();
    this.#worker = null;
    this.isOpen = false;
    this.#receiver.closed(why.replace(/\.$/, ""));
    this.#timer = setTimeout(() => this.#begin(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }
}
