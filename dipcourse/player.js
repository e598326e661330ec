function (name, data) {
  const css = `
    .dipcourse-player { color: var(--jp-ui-font-color1, inherit); font: 14px system-ui, sans-serif; }
    .dipcourse-player .views { display: flex; flex-wrap: wrap; gap: 12px 24px; align-items: flex-start; }
    .dipcourse-player figure { margin: 0; max-width: 100%; }
    .dipcourse-player figure + figure { flex: 1 1 300px; max-width: 420px; }
    .dipcourse-player canvas { display: block; max-width: 100%; image-rendering: pixelated; }
    .dipcourse-player figcaption { margin-top: 4px; font-variant-numeric: tabular-nums; }
    .dipcourse-player svg { width: 100%; height: auto; cursor: pointer; font: 14px system-ui, sans-serif; }
    .dipcourse-player .controls { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center;
      margin-top: 8px; max-width: 830px; }
    .dipcourse-player .controls label { margin: 0; font-weight: normal; white-space: nowrap; }
    .dipcourse-player input[type=range] { flex: 1 1 240px; margin: 0; width: auto; }
    .dipcourse-player button { min-width: 6em; padding: 4px 10px; font: inherit; color: inherit;
      background: transparent; border: 1px solid currentColor; border-radius: 4px; }
    .dipcourse-player :focus-visible { outline: 2px solid #3b8eea; outline-offset: 2px; }`;
  const COLOURS = ["#3b8eea", "#d9730d"], KINDS = ["single frame", "running mean"];
  const SVG = "http://www.w3.org/2000/svg";

  function add(parent, tag, attributes, text) {
    const svg = parent.namespaceURI === SVG || tag === "svg";
    const node = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    return parent.appendChild(node);
  }

  // Axis marks: round numbers, or 1, 2 and 5 times powers of ten on a log axis.
  function ticks(low, high, log) {
    const found = [];
    if (log && high / low > 5) {
      const factors = high / low > 300 ? [1] : high / low > 20 ? [1, 3] : [1, 2, 5];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
        for (const factor of factors) found.push(Number(`${factor}e${power}`));
    } else {
      const power = 10 ** Math.floor(Math.log10((high - low) / 3));
      const unit = power * [5, 2, 1].find((f) => (high - low) / (f * power) >= 3);
      for (let k = Math.ceil(low / unit); k * unit <= high; k++)
        found.push(Number((k * unit).toPrecision(6)));
    }
    return found.filter((value) => value >= low && value <= high);
  }

  // The graph; returns a function that moves its marker.
  function graph(parent, curve, jump) {
    const W = 420, H = 290, left = 52, right = 408, top = 46, bottom = 246;
    const values = curve.y.flat().filter((value) => value !== null);
    let low = Math.min(...values, Infinity), high = Math.max(...values, -Infinity);
    if (!values.length) [low, high] = [1, 10];
    if (low === high) [low, high] = curve.log ? [low / 2, high * 2] : [low - 1, high + 1];
    const last = Math.max(curve.x[curve.x.length - 1], 1);
    const scale = curve.log ? Math.log : (value) => value;
    const px = (step) => left + ((right - left) * step) / last;
    const py = (y) => bottom - ((bottom - top) * (scale(y) - scale(low))) / (scale(high) - scale(low));
    const svg = add(parent, "svg", { viewBox: `0 0 ${W} ${H}`, role: "img",
      "aria-label": `${curve.name} over the steps, from ${low} to ${high}` });
    const write = (x, y, text, anchor) =>
      add(svg, "text", { x, y, "text-anchor": anchor, fill: "currentColor" }, text);
    const line = (x1, y1, x2, y2, opacity) =>
      add(svg, "line", { x1, y1, x2, y2, stroke: "currentColor", "stroke-opacity": opacity });
    for (const y of ticks(low, high, curve.log)) {
      line(left, py(y), right, py(y), 0.2);
      write(left - 6, py(y) + 4, y > 0 && y < 0.001 ? y.toExponential() : String(y), "end");
    }
    for (const x of ticks(0, last, false)) {
      line(px(x), bottom, px(x), bottom + 5, 1);
      write(px(x), bottom + 19, String(x), "middle");
    }
    line(left, bottom, right, bottom, 1);
    write((left + right) / 2, H - 6, "step", "middle");
    write(4, 14, curve.name, "start");
    curve.y.forEach((ys, k) => {
      let path = "";
      ys.forEach((y, i) => {
        if (y !== null) path += `${path && ys[i - 1] !== null ? "L" : "M"}${px(curve.x[i])},${py(y)}`;
      });
      const style = { fill: "none", stroke: COLOURS[k], "stroke-width": 2,
        "stroke-dasharray": k ? "6 4" : "none" };
      add(svg, "path", { d: path, ...style });
      if (curve.y.length === 1) return;
      add(svg, "path", { d: `M${left + 150 * k},30h28`, ...style });
      write(left + 150 * k + 34, 34, KINDS[k], "start");
    });
    const rule = line(0, top, 0, bottom, 0.6);
    const dot = add(svg, "circle", { r: 5, fill: COLOURS[0], stroke: "currentColor" });
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) * W) / box.width;
      jump(((at - left) / (right - left)) * last);
    });
    return (step, kind) => {
      const k = Math.min(kind, curve.y.length - 1), y = curve.y[k][curve.x.indexOf(step)];
      rule.setAttribute("x1", px(step));
      rule.setAttribute("x2", px(step));
      dot.setAttribute("cx", px(step));
      dot.setAttribute("cy", py(y ?? low));
      dot.setAttribute("fill", COLOURS[k]);
      dot.setAttribute("visibility", y == null ? "hidden" : "visible");
    };
  }

  function start(root) {
    root.dataset.started = "yes";
    root.dataset.codecError = data.codecError;
    root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab keeps its hands off
    root.firstElementChild.style.display = "none"; // the filmstrip
    add(root, "style", {}, css);
    const { steps } = data, end = steps.length - 1;
    const pictures = data.frames.map((series) => series.map((text) => {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${text}`;
      return image;
    }));
    let index = 0, kind = 0, timer = null;

    add(root, "div", { style: "font-weight: 600; margin-bottom: 6px" }, data.title);
    const views = add(root, "div", { class: "views" });
    const figure = add(views, "figure");
    const canvas = add(figure, "canvas", { role: "img" });
    canvas.style.width = `${data.width * Math.max(1, Math.round(288 / data.width))}px`;
    const caption = add(figure, "figcaption");
    const mark = graph(add(views, "figure"), data.curve, (step) => {
      const far = steps.map((k) => Math.abs(k - step));
      go(far.indexOf(Math.min(...far)));
    });
    const controls = add(root, "div", { class: "controls" });
    const button = add(controls, "button", { type: "button" }, "▶ Play");
    const id = `dipcourse-${Math.random().toString(36).slice(2)}`;
    add(controls, "label", { for: id }, "Step");
    const slider = add(controls, "input", { type: "range", id, min: 0, max: end, step: 1, value: 0 });
    const choice = add(controls, "span", { role: "radiogroup", "aria-label": "Picture" });
    KINDS.forEach((label, k) => {
      const box = add(choice, "label", { style: "margin-right: 12px" });
      const radio = add(box, "input", { type: "radio", name: `${id}-kind`, style: "margin: 0 5px 0 0" });
      radio.checked = k === 0;
      radio.addEventListener("change", () => { kind = k; draw(); });
      box.append(label);
    });

    function draw() {
      const image = pictures[kind][index];
      if (!image.complete) return void image.addEventListener("load", draw, { once: true });
      const decibel = data.psnr && data.psnr[kind][index];
      const quality = !data.psnr ? "" : decibel === null ? " · PSNR ∞" : ` · PSNR ${decibel.toFixed(2)} dB`;
      canvas.width = image.naturalWidth;
      canvas.height = image.naturalHeight;
      canvas.getContext("2d").drawImage(image, 0, 0);
      caption.textContent = `step ${steps[index]} of ${steps[end]} · ${KINDS[kind]}${quality}`;
      if (data.note) caption.append(` · ${data.note}`);
      canvas.setAttribute("aria-label", `${data.title}: ${caption.textContent}`);
      slider.value = index;
      slider.setAttribute("aria-valuetext", caption.textContent);
      mark(steps[index], kind);
    }
    function go(to) { index = Math.max(0, Math.min(end, to)); draw(); }
    function play(on) {
      clearInterval(timer);
      timer = on ? setInterval(tick, 200) : null;
      button.textContent = on ? "❚❚ Pause" : "▶ Play";
    }
    function tick() {
      if (!root.isConnected || index >= end) play(false);
      else go(index + 1);
    }
    button.addEventListener("click", () => {
      if (!timer && index >= end) go(0);
      play(!timer);
    });
    slider.addEventListener("input", () => { play(false); go(Number(slider.value)); });
    root.addEventListener("keydown", (event) => event.stopPropagation()); // no notebook shortcuts
    draw();
  }

  // Some front ends run the script before its page part is in place; a copied output has it twice.
  (function look(tries) {
    const found = document.querySelectorAll(`[data-player="${name}"]:not([data-started])`);
    if (found.length) found.forEach(start);
    else if (tries > 0) setTimeout(look, 50, tries - 1);
  })(100);
}
