// One call of this function belongs to one widget, however often it is shown: what is drawn and
// the way back live here; each view only paints them.
export default () => {
  const mask = document.createElement("canvas"); // opaque where something was drawn
  const pen = mask.getContext("2d", { willReadFrequently: true });
  const views = new Set();
  const past = [];
  let model, photo, size, erase = false, drawing = false;

  // A disc of whole pixels: rows of them, so that no edge is smoothed.
  function stamp(x, y) {
    const radius = size / 2;
    for (let row = Math.ceil(y - radius - 0.5); row <= y + radius - 0.5; row++) {
      const half = Math.sqrt(Math.max(0, radius ** 2 - (row + 0.5 - y) ** 2));
      const left = Math.ceil(x - half - 0.5), right = Math.floor(x + half - 0.5);
      if (right >= left) pen[erase ? "clearRect" : "fillRect"](left, row, right - left + 1, 1);
    }
  }

  function stroke(from, to) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (size / 4)));
    for (let i = 1; i <= steps; i++)
      stamp(from.x + ((to.x - from.x) * i) / steps, from.y + ((to.y - from.y) * i) / steps);
  }

  function count() {
    const { data } = pen.getImageData(0, 0, mask.width, mask.height);
    let drawn = 0;
    for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0;
    return drawn;
  }

  const repaint = () => views.forEach((paint) => paint());

  function send() {
    model.send({ drawn: mask.toDataURL() });
    repaint();
  }

  function remember() {
    past.push(pen.getImageData(0, 0, mask.width, mask.height));
    if (past.length > 30) past.shift();
  }

  function undo() {
    if (!past.length) return;
    pen.putImageData(past.pop(), 0, 0);
    send();
  }

  function clear() {
    remember();
    pen.clearRect(0, 0, mask.width, mask.height);
    send();
  }

  return {
    async initialize(given) {
      model = given.model;
      mask.width = model.get("width");
      mask.height = model.get("height");
      size = Math.max(4, Math.round(mask.width / 16));
      pen.fillStyle = PAINT;
      if (model.get("drawn")) pen.drawImage(await loaded(model.get("drawn")), 0, 0);
      photo = await loaded(model.get("photo")); // from now on one can draw
      repaint();
    },

    render({ el }) {
      el.classList.add("dipcourse-draw");
      furnish(el, `
        .${model.get("note")} { display: none; }
        .dipcourse-draw canvas { touch-action: none; cursor: crosshair; }
        .dipcourse-draw .bar { margin: 6px 0; }
        .dipcourse-draw button[aria-pressed=true] { background: ${ACCENT}; color: white; }
        .dipcourse-draw label { display: flex; gap: 6px; align-items: center; }`);
      const bar = add(el, "div", { class: "bar" });
      const tools = ["Draw", "Erase"].map((name, k) => {
        const button = add(bar, "button", { type: "button" }, name);
        button.addEventListener("click", () => { erase = k === 1; repaint(); });
        return button;
      });
      const label = add(bar, "label", {}, "Brush");
      const slider = add(label, "input", { type: "range", min: 2, max: 48, value: size });
      const reading = add(label, "span");
      slider.addEventListener("input", () => { size = Number(slider.value); repaint(); });
      add(bar, "button", { type: "button" }, "Undo").addEventListener("click", undo);
      add(bar, "button", { type: "button" }, "Clear").addEventListener("click", clear);
      const canvas = add(el, "canvas", { role: "img" });
      [canvas.width, canvas.height] = [mask.width, mask.height];
      canvas.style.width = `${zoomed(mask.width, 432)}px`;
      const caption = add(el, "div", { role: "status" });
      const context = canvas.getContext("2d");

      function paint() {
        if (photo) context.drawImage(photo, 0, 0, mask.width, mask.height);
        context.drawImage(mask, 0, 0);
        tools.forEach((button, k) => button.setAttribute("aria-pressed", erase === (k === 1)));
        slider.value = size;
        reading.textContent = `${size} pixels`;
        if (drawing) return; // counting would cost too much
        const hidden = count();
        caption.textContent = `${hidden} of ${mask.width * mask.height} pixels are hidden`;
        canvas.setAttribute("aria-label", `${model.get("about")}; ${caption.textContent}`);
      }

      let pointer = null, from = null;
      function place(event) {
        const box = canvas.getBoundingClientRect();
        return { x: ((event.clientX - box.left) * mask.width) / box.width,
          y: ((event.clientY - box.top) * mask.height) / box.height };
      }
      canvas.addEventListener("pointerdown", (event) => {
        if (pointer !== null || !photo || event.button > 0) return;
        event.preventDefault();
        canvas.setPointerCapture((pointer = event.pointerId));
        remember();
        drawing = true;
        from = place(event);
        stamp(from.x, from.y);
        repaint();
      });
      canvas.addEventListener("pointermove", (event) => {
        if (event.pointerId !== pointer) return;
        const to = place(event);
        stroke(from, to);
        from = to;
        repaint();
      });
      for (const end of ["pointerup", "pointercancel"])
        canvas.addEventListener(end, (event) => {
          if (event.pointerId !== pointer) return;
          pointer = null;
          drawing = false;
          send();
        });
      views.add(paint);
      paint();
      return () => views.delete(paint);
    },
  };
};
