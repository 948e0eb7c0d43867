import init from './crashing/crashing.js';

init();
