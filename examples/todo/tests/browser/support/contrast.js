// Returns the visible texts whose contrast to what is behind them is less than the first argument.

const numbers = (color) => {
  const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
  return color.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
};
const over = ([r, g, b, a], below) => [r, g, b].map((part, at) => part * a + below[at] * (1 - a));
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

// From the root down: each background, thinned by its element's opacity, lies over what is below.
const painted = (node) => {
  const above = [];
  for (let at = node; at; at = at.parentElement) above.unshift(at);
  let background = [255, 255, 255];
  let opacity = 1;
  for (const element of above) {
    const style = getComputedStyle(element);
    opacity *= Number(style.opacity);
    const [r, g, b, a] = numbers(style.backgroundColor);
    background = over([r, g, b, a * opacity], background);
  }
  return { background, opacity };
};

const texts = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const { parentElement: element, textContent } = walker.currentNode;
  const isShown = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  if (textContent.trim() !== "" && isShown && !element.matches("option")) texts.push([element, textContent.trim(), null]);
}
for (const field of document.querySelectorAll("input:not([type=checkbox]), textarea, select")) {
  if (!field.checkVisibility()) continue;
  if (field.placeholder && !field.value) texts.push([field, field.placeholder, "::placeholder"]);
  else texts.push([field, field.value, null]);
}

return texts.flatMap(([element, text, pseudo]) => {
  const { color } = getComputedStyle(element, pseudo);
  const { background, opacity } = painted(element);
  const [r, g, b, a] = numbers(color);
  const ratio = contrast(over([r, g, b, a * opacity], background), background);
  return ratio >= arguments[0] ? [] : [{ text: text.slice(0, 60), color, background: String(background), contrast: ratio }];
});
