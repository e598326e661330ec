// The frames of a fit with a slider, a play button and a chart.

// The chart that came with the page gets a marker; returns a function that moves it.
function liven(figure, data, jump) {
  figure.innerHTML = data.chart;
  const svg = figure.firstElementChild, curves = svg.querySelectorAll("[data-curve]");
  const [left, right, top, bottom, last] =
    ["left", "right", "top", "bottom", "last"].map((name) => Number(svg.dataset[name]));
  const rule = add(svg, "line", { y1: top, y2: bottom, stroke: "currentColor", "stroke-opacity": 0.6 });
  const dot = add(svg, "circle", { r: 5, stroke: "currentColor" });
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) * svg.viewBox.baseVal.width) / box.width;
    jump(((at - left) / (right - left)) * last);
  });
  return (index, kind) => {
    const k = Math.min(kind, curves.length - 1), height = data.heights[k][index];
    const x = left + ((right - left) * data.steps[index]) / last;
    rule.setAttribute("x1", x);
    rule.setAttribute("x2", x);
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", height ?? bottom);
    dot.setAttribute("visibility", height === null ? "hidden" : "visible");
    dot.setAttribute("fill", curves[k].getAttribute("stroke"));
    dot.style.fill = curves[k].style.stroke;
  };
}

function player(root, data) {
  furnish(root, `
    .dipcourse-player .views { display: flex; flex-wrap: wrap; gap: 12px 24px; align-items: flex-start; }
    .dipcourse-player figure { margin: 0; max-width: 100%; }
    .dipcourse-player figure + figure { flex: 1 1 300px; max-width: 420px; }
    .dipcourse-player figcaption { margin-top: 4px; font-variant-numeric: tabular-nums; }
    .dipcourse-player svg { cursor: pointer; }
    .dipcourse-player .views + .bar { margin-top: 8px; max-width: 830px; }
    .dipcourse-player .views + .bar input[type=range] { flex: 1 1 240px; width: auto; }
    .dipcourse-player .views + .bar button { min-width: 6em; }`);
  root.dataset.codecError = data.codecError;
  const { steps, kinds } = data, end = steps.length - 1;
  const pictures = data.frames.map((series) => series.map(loaded));
  let index = 0, kind = 0, timer = null, turn = 0;

  add(root, "div", { class: "title" }, data.title);
  const views = add(root, "div", { class: "views" });
  const figure = add(views, "figure");
  const canvas = add(figure, "canvas", { role: "img" });
  canvas.style.width = `${zoomed(data.width, 288)}px`;
  const caption = add(figure, "figcaption");
  const mark = liven(add(views, "figure"), data, (step) => {
    const far = steps.map((k) => Math.abs(k - step));
    go(far.indexOf(Math.min(...far)));
  });
  const controls = add(root, "div", { class: "bar" });
  const button = add(controls, "button", { type: "button" }, "▶ Play");
  const id = `dipcourse-${Math.random().toString(36).slice(2)}`;
  add(controls, "label", { for: id }, "Step");
  const slider = add(controls, "input", { type: "range", id, min: 0, max: end, step: 1, value: 0 });
  const choice = add(controls, "span", { role: "radiogroup", "aria-label": "Picture" });
  kinds.forEach((label, k) => {
    const box = add(choice, "label", { style: "margin-right: 12px" });
    const radio = add(box, "input", { type: "radio", name: `${id}-kind`, style: "margin: 0 5px 0 0" });
    radio.checked = k === 0;
    radio.addEventListener("change", () => { kind = k; draw(); });
    box.append(label);
  });

  async function draw() {
    const own = ++turn, image = await pictures[kind][index];
    if (own !== turn) return; // another picture was asked for meanwhile
    const decibel = data.psnr && data.psnr[kind][index];
    const quality = !data.psnr ? "" : decibel === null ? " · PSNR ∞" : ` · PSNR ${decibel.toFixed(2)} dB`;
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0);
    caption.textContent = `step ${steps[index]} of ${steps[end]} · ${kinds[kind]}${quality}`;
    if (data.note) caption.append(` · ${data.note}`);
    canvas.setAttribute("aria-label", `${data.title}: ${caption.textContent}`);
    slider.value = index;
    slider.setAttribute("aria-valuetext", caption.textContent);
    mark(index, kind);
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
  draw();
}
