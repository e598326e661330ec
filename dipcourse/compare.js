function (name, data) {
  const css = `
    .dipcourse-compare { color: var(--jp-ui-font-color1, inherit); font: 14px system-ui, sans-serif; }
    .dipcourse-compare .stage { position: relative; max-width: 100%; cursor: ew-resize;
      touch-action: pan-y; user-select: none; }
    .dipcourse-compare .stage img { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0;
      max-width: none; image-rendering: pixelated; pointer-events: none; }
    .dipcourse-compare .stage div { position: absolute; top: 0; bottom: 0; width: 4px; margin-left: -2px;
      background: white; box-shadow: 0 0 0 1px black; pointer-events: none; }
    .dipcourse-compare .stage div::after { content: "◀▶"; position: absolute; top: 50%; left: 50%;
      transform: translate(-50%, -50%); padding: 6px 5px; border-radius: 6px; font-size: 11px;
      letter-spacing: 1px; color: black; background: white; box-shadow: 0 0 0 1px black; }
    .dipcourse-compare .names { display: flex; justify-content: space-between; gap: 12px; margin: 4px 0; }
    .dipcourse-compare input { width: 100%; margin: 0; }
    .dipcourse-compare :focus-visible { outline: 2px solid #3b8eea; outline-offset: 2px; }`;

  function add(parent, tag, attributes, text) {
    const node = document.createElement(tag);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    return parent.appendChild(node);
  }

  function start(root) {
    root.dataset.started = "yes";
    root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab keeps its hands off
    root.firstElementChild.style.display = "none"; // the two pictures in a row
    add(root, "style", {}, css);
    const [left, right] = data.labels;
    const wide = data.width * Math.max(1, Math.round(420 / data.width));
    const box = add(root, "div", { style: `width: ${wide}px; max-width: 100%` });
    add(box, "div", { style: "font-weight: 600; margin-bottom: 6px" }, data.title);
    const stage = add(box, "div", { class: "stage",
      style: `width: 100%; aspect-ratio: ${data.width} / ${data.height}` });
    const [before, after] = data.pictures.map((src, k) =>
      add(stage, "img", { src, alt: `${data.title}: ${data.labels[k]}`, draggable: "false" }));
    const line = add(stage, "div", {});
    const names = add(box, "div", { class: "names" });
    add(names, "span", {}, `◀ ${left}`);
    add(names, "span", { style: "text-align: right" }, `${right} ▶`);
    const slider = add(box, "input", { type: "range", min: 0, max: 100, step: 1, value: 50,
      "aria-label": `Divider between ${left} and ${right}` });

    function move(percent) {
      const at = Math.max(0, Math.min(100, percent));
      before.style.clipPath = `inset(0 ${100 - at}% 0 0)`;
      after.style.clipPath = `inset(0 0 0 ${at}%)`;
      line.style.left = `${at}%`;
      slider.value = at;
      slider.setAttribute("aria-valuetext", `${Math.round(at)} per cent ${left}`);
    }
    function drag(event) {
      if (event.type === "pointerdown") stage.setPointerCapture(event.pointerId);
      if (!stage.hasPointerCapture(event.pointerId)) return;
      const { left, width } = stage.getBoundingClientRect();
      move((100 * (event.clientX - left)) / width);
    }
    stage.addEventListener("pointerdown", drag);
    stage.addEventListener("pointermove", drag);
    slider.addEventListener("input", () => move(Number(slider.value)));
    root.addEventListener("keydown", (event) => event.stopPropagation()); // no notebook shortcuts
    move(50);
  }

  // Some front ends run the script before its page part is in place; a copied output has it twice.
  (function look(tries) {
    const found = document.querySelectorAll(`[data-player="${name}"]:not([data-started])`);
    if (found.length) found.forEach(start);
    else if (tries > 0) setTimeout(look, 50, tries - 1);
  })(100);
}
