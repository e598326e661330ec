// One call of this function belongs to one widget, however often it is shown: what is drawn and
// the way back live here; each view only paints them.
export default () => {
  const mask = document.createElement("canvas"); // opaque where something was drawn
  const pen = mask.getContext("2d", { willReadFrequently: true });
  const photo = new Image();
  const views = new Set();
  const past = [];
  let model, size, erase = false, ready = false, drawing = false;

  function load(url) {
    return new Promise((done) => {
      if (!url) return done(null);
      const image = new Image();
      image.onload = () => done(image);
      image.src = url;
    });
  }

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
    model.set("drawn", mask.toDataURL());
    model.save_changes();
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
      pen.fillStyle = "#d63384";
      photo.src = model.get("photo");
      const drawn = await load(model.get("drawn"));
      await photo.decode();
      if (drawn) pen.drawImage(drawn, 0, 0);
      ready = true;
      repaint();
    },

    render({ el }) {
      const add = (parent, tag, attributes, text) => {
        const node = document.createElement(tag);
        for (const key in attributes) node.setAttribute(key, attributes[key]);
        if (text !== undefined) node.textContent = text;
        return parent.appendChild(node);
      };
      el.classList.add("dipcourse-draw");
      add(el, "style", {}, `
        .${model.get("note")} { display: none; }
        .dipcourse-draw { font: 14px system-ui, sans-serif; color: var(--jp-ui-font-color1, inherit); }
        .dipcourse-draw canvas { display: block; max-width: 100%; touch-action: none; cursor: crosshair;
          image-rendering: pixelated; }
        .dipcourse-draw .bar { display: flex; flex-wrap: wrap; gap: 6px 10px; align-items: center;
          margin: 6px 0; }
        .dipcourse-draw button { padding: 4px 12px; font: inherit; color: inherit; cursor: pointer;
          background: transparent; border: 1px solid currentColor; border-radius: 4px; }
        .dipcourse-draw button[aria-pressed=true] { background: #1f6feb; color: white; }
        .dipcourse-draw label { display: flex; gap: 6px; align-items: center; margin: 0;
          font-weight: normal; white-space: nowrap; }
        .dipcourse-draw :focus-visible { outline: 2px solid #3b8eea; outline-offset: 2px; }`);
      const bar = add(el, "div", { class: "bar" });
      const tools = ["Draw", "Erase"].map((name, k) => {
        const button = add(bar, "button", { type: "button" }, name);
        button.addEventListener("click", () => { erase = k === 1; repaint(); });
        return button;
      });
      const label = add(bar, "label", {}, "Brush");
      const slider = add(label, "input", { type: "range", min: 2, max: 48, value: size });
      const reading = add(label, "span", {});
      slider.addEventListener("input", () => { size = Number(slider.value); repaint(); });
      add(bar, "button", { type: "button" }, "Undo").addEventListener("click", undo);
      add(bar, "button", { type: "button" }, "Clear").addEventListener("click", clear);
      const canvas = add(el, "canvas", { role: "img" });
      [canvas.width, canvas.height] = [mask.width, mask.height];
      canvas.style.width = `${mask.width * Math.max(1, Math.round(432 / mask.width))}px`;
      const caption = add(el, "div", { role: "status" });
      const context = canvas.getContext("2d");

      function paint() {
        context.drawImage(photo, 0, 0, mask.width, mask.height);
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
        if (pointer !== null || !ready || event.button > 0) return;
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
      el.addEventListener("keydown", (event) => event.stopPropagation()); // no notebook shortcuts
      el.setAttribute("data-lm-suppress-shortcuts", "true");
      views.add(paint);
      paint();
      return () => views.delete(paint);
    },
  };
};
