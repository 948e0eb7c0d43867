// Fetches the tasks, has a new worker do each, and posts what came of it.

/** Starts a worker, and resolves to it once it listens. */
function start() {
  return new Promise((resolve) => {
    const worker = new Worker("worker-main.js", { type: "module" });
    worker.onmessage = () => resolve(worker);
  });
}

/** Has a new worker do a task, and resolves to what came of it, as text. */
async function carryOut(task) {
  const worker = await start();
  const outcome = await new Promise((resolve) => {
    worker.onmessage = (message) => resolve(message.data);
    worker.onerror = (error) => resolve(JSON.stringify({ error: error.message }));
    worker.postMessage(JSON.stringify(task));
  });
  worker.terminate();
  return outcome;
}

const tasks = await (await fetch("tasks")).json();
for (const task of tasks) {
  await fetch("outcomes", { method: "POST", body: await carryOut(task) });
}
