// Requests to a device and their answers, over whatever carries messages to it and back.

export class Channel {
  #carrier;
  #nextId = 1;
  #waiting = new Map();

  /**
   * The carrier has `start({ opened, closed, took })`, `isOpen`, `absence` and `send(id, text)`. The listener has `pushed(push)`,
   * `opened()` and `closed(why)`.
   */
  constructor(carrier, listener) {
    this.#carrier = carrier;
    carrier.start({
      opened: () => listener.opened(),
      closed: (why, areRequestsLost = true) => {
        if (areRequestsLost) this.#reject(`${why}. Look whether it was done.`);
        listener.closed(why);
      },
      took: ({ answer, ...push }) => {
        listener.pushed(push);
        if (answer) this.#settle(answer);
      },
    });
  }

  #reject(sentence) {
    for (const { reject } of this.#waiting.values()) reject(new Error(sentence));
    this.#waiting.clear();
  }

  #settle({ id, error, entities }) {
    const request = this.#waiting.get(id);
    if (!request) return;
    this.#waiting.delete(id);
    if (error) request.reject(new Error(error));
    else request.resolve(entities ?? []);
  }

  /** Asks for something; resolves to the ids of what was made or changed, and rejects with a sentence. */
  request(what, fields = {}) {
    if (!this.#carrier.isOpen) return Promise.reject(new Error(this.#carrier.absence));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#carrier.send(id, JSON.stringify({ id, do: what, ...fields }));
    });
  }
}
