// Two pictures on top of each other, with a divider.
function compare(root, data) {
  furnish(root, `
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
    .dipcourse-compare .names + input { width: 100%; }`);
  const [left, right] = data.labels;
  const box = add(root, "div", { style: `width: ${zoomed(data.width, 420)}px; max-width: 100%` });
  add(box, "div", { class: "title" }, data.title);
  const stage = add(box, "div", { class: "stage",
    style: `width: 100%; aspect-ratio: ${data.width} / ${data.height}` });
  const [before, after] = data.pictures.map((src, k) =>
    add(stage, "img", { src, alt: `${data.title}: ${data.labels[k]}`, draggable: "false" }));
  const line = add(stage, "div");
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
  move(50);
}
