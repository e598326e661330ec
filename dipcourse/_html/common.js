// What the player, the divider and the drawing surface share. The palette stands in front of it.
const SVG = "http://www.w3.org/2000/svg";
const LOOK = `
  .dipcourse { color: var(--jp-ui-font-color1, inherit); font: 14px system-ui, sans-serif; }
  .dipcourse .title { font-weight: 600; margin-bottom: 6px; }
  .dipcourse .bar { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; }
  .dipcourse canvas { display: block; max-width: 100%; image-rendering: pixelated; }
  .dipcourse label { margin: 0; font-weight: normal; white-space: nowrap; }
  .dipcourse input[type=range] { margin: 0; }
  .dipcourse button { padding: 4px 12px; font: inherit; color: inherit; cursor: pointer;
    background: transparent; border: 1px solid currentColor; border-radius: 4px; }
  .dipcourse :focus-visible { outline: 2px solid ${ACCENT}; outline-offset: 2px;
    outline-color: light-dark(${ACCENT}, ${ON_DARK}); }`;

function add(parent, tag, attributes = {}, text) {
  const svg = parent.namespaceURI === SVG;
  const node = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
}

// The look of an element that a reader plays with, and no notebook shortcuts in it.
function furnish(root, css) {
  root.classList.add("dipcourse");
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab keeps its hands off
  root.addEventListener("keydown", (event) => event.stopPropagation());
  add(root, "style", {}, LOOK + css);
}

// An enlargement by whole numbers, so that pixels stay squares.
const zoomed = (pixels, room) => pixels * Math.max(1, Math.round(room / pixels));

// The picture at a data: address, as soon as it can be drawn.
function loaded(address) {
  return new Promise((done) => {
    const image = new Image();
    image.onload = () => done(image);
    image.src = address;
  });
}

// Some front ends run the script before its page part is in place; a copied output has it twice.
function awaken(name, data, start, tries = 100) {
  const found = document.querySelectorAll(`[data-player="${name}"]:not([data-started])`);
  for (const root of found) {
    root.dataset.started = "yes";
    root.firstElementChild.style.display = "none"; // what stands there for readers without scripts
    start(root, data);
  }
  if (!found.length && tries > 0) setTimeout(awaken, 50, name, data, start, tries - 1);
}
