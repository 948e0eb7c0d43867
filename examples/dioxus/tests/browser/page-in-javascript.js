// A page in JavaScript, whose parts tests call.

const script = location.search === '?crashing' ? './crashing.js' : './worker.js';
const configuration = JSON.stringify({ seed: '5eed'.repeat(16), host: null });

/** What the worker has told, with the time. */
const told = [];
const asked = new Map();
let list = [];
let number = 0;
let worker;

function start() {
  worker = new Worker(script, { type: 'module' });
  worker.onmessage = ({ data }) => {
    if (data.ready) {
      worker.postMessage({ open: configuration });
      asked.forEach(({ request }, id) => worker.postMessage({ id, ask: request }));
    } else if ('id' in data) {
      const { resolve, reject } = asked.get(data.id);
      asked.delete(data.id);
      if ('answer' in data) resolve(JSON.parse(data.answer));
      else reject(new Error(data.failed));
    } else if ('push' in data) {
      list = JSON.parse(data.push).view ?? list;
    } else {
      told.push({ ...data, at: Date.now() });
      if (data.crashed) start();
    }
  };
}

function ask(request) {
  const id = ++number;
  return new Promise((resolve, reject) => {
    asked.set(id, { request: JSON.stringify(request), resolve, reject });
    worker.postMessage({ id, ask: JSON.stringify(request) });
  });
}

const names = () => list.map(([, item]) => item.name);

const acknowledged = [];
let isAdding = true;

async function keepAdding() {
  for (let count = 0; isAdding; count++) {
    const name = `item ${count}`;
    await ask({ emit: [{ Added: { name } }] });
    acknowledged.push(name);
  }
}

function stopAdding() {
  isAdding = false;
  return acknowledged;
}

/** Adds items while other pages say that they have come, and returns the items that this page was not told of. */
async function addWhilePagesCome(rounds) {
  const channel = new BroadcastChannel('diplomatic/groceries');
  const missed = [];
  for (let round = 0; round < rounds; round++) {
    await ask({ emit: [{ Added: { name: `first ${round}` } }] });
    await ask({ emit: [{ Added: { name: `second ${round}` } }] });
    channel.postMessage(JSON.stringify({ Hello: { from: round } }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    missed.push(...[`first ${round}`, `second ${round}`].filter((name) => !names().includes(name)));
  }
  channel.close();
  return missed;
}

start();
