// Shows a text as a terminal does.

const style = document.createElement("style");
style.textContent = `
  body { margin: 0; padding: 14px 26px 24px; background: #1c1f1b; width: 708px; }
  i { display: inline-block; width: 11px; height: 11px; margin: 0 7px 14px 0; border-radius: 50%; background: #3a3e38; }
  pre { margin: 0; color: #e9e9e1; font: 14px/1.55 "DejaVu Sans Mono", "Liberation Mono", monospace; white-space: pre-wrap; }
`;
const pre = document.createElement("pre");
pre.textContent = arguments[0].trimEnd();
document.head.append(style);
document.body.append(...[1, 2, 3].map(() => document.createElement("i")), pre);
