// The carrier to a device of the program on this machine: a WebSocket, opened again whenever it is lost.

const FIRST_WAIT = 250;
const LONGEST_WAIT = 4000;

export class Socket {
  absence = "The program that keeps your lists is not running: start it again.";
  #path;
  #receiver;
  #socket = null;
  #wait = FIRST_WAIT;
  #timer = null;

  constructor(path) {
    this.#path = path;
  }

  start(receiver) {
    this.#receiver = receiver;
    this.#connect();
    // What the browser put to sleep with the page is looked after as soon as somebody looks at it.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.#socket) this.#connect();
    });
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(_, text) {
    this.#socket.send(text);
  }

  #connect() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(new URL(this.#path, location.href.replace(/^http/, "ws")));
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = FIRST_WAIT;
      this.#receiver.opened();
    };
    socket.onmessage = (message) => this.#receiver.took(JSON.parse(message.data));
    socket.onclose = () => this.#lose();
  }

  #lose() {
    this.#socket = null;
    this.#receiver.closed("The program is not running");
    this.#timer = setTimeout(() => this.#connect(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }
}
