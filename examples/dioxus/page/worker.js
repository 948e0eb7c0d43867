import init from './worker/worker.js';

init();
