// One call of this function belongs to one widget, however often it is shown. The page turns the
// photo upright, makes it small, and sends pixels alone: no EXIF, and nothing of the file's name.
export default () => {
  const views = new Set();
  let model, picked, stream = null, said = "";

  const repaint = () => views.forEach((paint) => paint());

  function say(words) {
    said = words;
    repaint();
  }

  function send(source, width, height) {
    const share = Math.min(1, model.get("longest") / Math.max(width, height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * share));
    canvas.height = Math.max(1, Math.round(height * share));
    const pen = canvas.getContext("2d");
    pen.fillStyle = "white"; // under what is transparent
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(source, 0, 0, canvas.width, canvas.height);
    picked = canvas.toDataURL("image/png");
    model.send({ picked });
    say(`your photo, ${canvas.width} × ${canvas.height} pixels; run the next cells`);
  }

  async function read(file) {
    if (!file) return;
    let picture;
    try {
      picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      return say("This browser cannot read that file as a picture: save it as PNG or JPEG.");
    }
    send(picture, picture.width, picture.height);
    picture.close();
  }

  function close() {
    stream.getTracks().forEach((track) => track.stop());
    stream = null;
  }

  async function open() {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      return say("The camera is not open to this page: take the photo with another program.");
    }
    say("Look into the camera, then press Take it.");
  }

  return {
    initialize(given) {
      model = given.model;
      picked = model.get("picked");
      said = model.get("about");
    },

    render({ el }) {
      el.classList.add("dipcourse-pick");
      furnish(el, `
        .${model.get("note")} { display: none; }
        .dipcourse-pick img, .dipcourse-pick video { display: block; max-width: 100%;
          max-height: 256px; margin: 6px 0; }`);
      const bar = add(el, "div", { class: "bar" });
      const label = add(bar, "label", {}, "Your photo ");
      const input = add(label, "input", { type: "file", accept: "image/*" });
      input.addEventListener("change", () => read(input.files[0]));
      const button = add(bar, "button", { type: "button" });
      button.hidden = !navigator.mediaDevices?.getUserMedia;
      const video = add(el, "video", { playsinline: "", muted: "", "aria-label": "the camera" });
      const image = add(el, "img");
      const status = add(el, "div", { role: "status" });
      button.addEventListener("click", async () => {
        if (!stream) return open();
        send(video, video.videoWidth, video.videoHeight);
        close();
        repaint();
      });

      function paint() {
        button.textContent = stream ? "Take it" : "Camera";
        video.hidden = !stream;
        if (video.srcObject !== stream) video.srcObject = stream;
        if (stream) video.play();
        image.hidden = Boolean(stream);
        image.src = picked || model.get("photo");
        image.alt = said;
        status.textContent = said;
      }

      views.add(paint);
      paint();
      return () => {
        views.delete(paint);
        if (stream && !views.size) close();
      };
    },
  };
};
