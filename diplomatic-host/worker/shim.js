// What Cloudflare calls: hands everything to the Rust code. Should that ever stop in the middle, its memory is not to be
// trusted any more: what is under way fails, and everything is made anew with the next call.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as rust from "./build/index.js";

const state = rust.__worker_init_state();
let stopped = Promise.withResolvers();
stopped.promise.catch(() => {});

function note(error) {
  if (error instanceof WebAssembly.RuntimeError) {
    state.criticalError = true;
    stopped.reject(error);
  }
}

// A task that is polled later stops outside of the call that began it.
addEventListener("error", (event) => note(event.error));

async function call(act) {
  if (state.criticalError) {
    rust.__wbg_reset_state();
    state.criticalError = false;
    state.instanceId++;
    stopped = Promise.withResolvers();
    stopped.promise.catch(() => {});
  }
  try {
    return await Promise.race([act(), stopped.promise]);
  } catch (error) {
    note(error);
    throw error;
  }
}

export default class extends WorkerEntrypoint {
  fetch(request) {
    return call(() => rust.fetch.call(this, request, this.env, this.ctx));
  }
}

function object(name) {
  return class extends DurableObject {
    #made;
    #instance;

    #object() {
      if (this.#instance !== state.instanceId) {
        this.#made = new rust[name](this.ctx, this.env);
        this.#instance = state.instanceId;
      }
      return this.#made;
    }

    fetch(request) {
      return call(() => this.#object().fetch(request));
    }
    alarm() {
      return call(() => this.#object().alarm());
    }
    webSocketMessage(socket, message) {
      return call(() => this.#object().webSocketMessage(socket, message));
    }
    webSocketClose(socket, code, reason, clean) {
      return call(() => this.#object().webSocketClose(socket, code, reason, clean));
    }
    webSocketError(socket, error) {
      return call(() => this.#object().webSocketError(socket, error));
    }
  };
}

export const Account = object("Account");
export const Registry = object("Registry");
