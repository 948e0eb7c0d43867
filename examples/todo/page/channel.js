// The live channel to one device of the program.

const FIRST_WAIT = 250;
const LONGEST_WAIT = 4000;

export class Channel {
  #path;
  #listener;
  #socket = null;
  #wait = FIRST_WAIT;
  #timer = null;
  #nextId = 1;
  #waiting = new Map();

  /** The listener has `pushed(push)`, `opened()` and `closed()`. */
  constructor(path, listener) {
    this.#path = path;
    this.#listener = listener;
    this.#connect();
    // What the browser put to sleep with the page is looked after as soon as somebody looks at it.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.#socket) this.#connect();
    });
  }

  #connect() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(new URL(this.#path, location.href.replace(/^http/, "ws")));
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = FIRST_WAIT;
      this.#listener.opened();
    };
    socket.onmessage = (message) => this.#take(JSON.parse(message.data));
    socket.onclose = () => this.#lose();
  }

  #take({ answer, ...push }) {
    this.#listener.pushed(push);
    const request = answer && this.#waiting.get(answer.id);
    if (!request) return;
    this.#waiting.delete(answer.id);
    if (answer.error) request.reject(new Error(answer.error));
    else request.resolve(answer.entities ?? []);
  }

  #lose() {
    this.#socket = null;
    for (const { reject } of this.#waiting.values()) reject(new Error("The program went away. Look whether it was done."));
    this.#waiting.clear();
    this.#listener.closed();
    this.#timer = setTimeout(() => this.#connect(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  /** Asks for something; resolves to the ids of what was made or changed, and rejects with a sentence. */
  request(what, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Error("The program that keeps your lists is not running: start it again."));
    }
    const id = this.#nextId++;
    this.#socket.send(JSON.stringify({ id, do: what, ...fields }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }
}
