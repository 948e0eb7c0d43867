import init from './page/page.js';

init();
