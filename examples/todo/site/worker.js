// The worker: it loads the program and leaves the rest to it.

import init from "./todo-web.js";

await init();
