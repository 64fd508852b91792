// Updates the page while it is open. Without scripts, forms still post, and the page of a running job reloads itself.
"use strict";

const POLL_MS = 2000;

// Replaces the element `id` by its newest state. A link that has the focus keeps it.
async function replaceWithNewest(id) {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  const here = document.getElementById(id);
  if (!response.ok || !here) return null;
  const text = await response.text();
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById(id);
  if (!fresh || fresh.isEqualNode(here)) return here;
  const focus = here.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  here.replaceWith(fresh);
  if (focus) fresh.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus();
  activate(fresh);
  return fresh;
}

// Replaces an element every two seconds while `goesOn` is true and the page is visible.
function keepCurrent(id, goesOn) {
  const again = async () => {
    const here = document.getElementById(id);
    if (!here || !goesOn(here)) return;
    if (!document.hidden) await replaceWithNewest(id).catch(() => null);
    setTimeout(again, POLL_MS);
  };
  setTimeout(again, POLL_MS);
}

// Follows a job by its events. A hidden page closes the stream, because browsers allow few streams to one host.
function follow(job) {
  const bar = job.querySelector("[data-progress]");
  let source = null;

  const show = (step, total) => {
    if (!bar || !total) return;
    const meter = bar.querySelector("progress");
    meter.max = total;
    meter.value = step;
    bar.querySelector("[data-step]").textContent = step;
    bar.querySelector("[data-total]").textContent = total;
    bar.querySelector(".waiting")?.classList.remove("waiting");
    // Screen readers announce every quarter, not every step.
    const announced = `${Math.floor((4 * step) / total) * 25} %`;
    const status = bar.querySelector("[data-announced]");
    if (status.textContent !== announced) status.textContent = announced;
  };
  const preview = (image) => {
    if (!image.startsWith("data:image/")) return;
    // The preview of a job with several pictures shows them side by side. Each frame shows its part of it.
    const frames = [...job.querySelectorAll("[data-preview]")];
    const columns = Math.ceil(Math.sqrt(frames.length));
    const rows = Math.ceil(frames.length / columns);
    frames.forEach((place, index) => {
      place.src = image;
      place.hidden = false;
      place.style.width = `${100 * columns}%`;
      place.style.height = `${100 * rows}%`;
      place.style.left = `${-100 * (index % columns)}%`;
      place.style.top = `${-100 * Math.floor(index / columns)}%`;
    });
  };
  const status = async () => {
    const response = await fetch(location.href).catch(() => null);
    if (!response?.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const now = fresh.getElementById("job");
    if (!now || !job.isConnected) return;
    if (!now.dataset.events) return end();
    // If no event stream is open, the polling updates the progress too.
    if (!source) show(...["step", "total"].map((name) => Number(now.querySelector(`[data-${name}]`)?.textContent)));
    // Texts such as "2 min ago" must change.
    const times = now.querySelectorAll("time");
    job.querySelectorAll("time").forEach((time, index) => {
      if (times[index]?.dateTime === time.dateTime) time.textContent = times[index].textContent;
    });
    for (const id of ["state", "outlook", "charts", "blocks"]) {
      const old = document.getElementById(id);
      const now = fresh.getElementById(id);
      if (old && now && !old.isEqualNode(now)) old.replaceChildren(...now.childNodes);
    }
  };
  const end = async () => {
    stop();
    clearInterval(wait);
    const mayFocus = document.activeElement && job.contains(document.activeElement);
    const fresh = await replaceWithNewest("job").catch(() => null);
    if (!fresh) return location.reload();
    if (mayFocus) document.getElementById("content").focus({ preventScroll: true });
  };
  const start = () => {
    if (source) return;
    source = new EventSource(job.dataset.events);
    source.addEventListener("progress", (event) => {
      const { step, total } = JSON.parse(event.data);
      show(step, total);
    });
    source.addEventListener("preview", (event) => preview(JSON.parse(event.data).image));
    source.addEventListener("state", status);
    source.addEventListener("snapshot", (event) => {
      const { progress } = JSON.parse(event.data);
      show(progress.step, progress.total);
      status();
    });
    source.addEventListener("end", end);
    // After a refusal the browser does not reconnect, unlike after a lost connection. The next poll does.
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) source = null;
    });
  };
  const stop = () => {
    source?.close();
    source = null;
  };
  const openOrClose = () => (document.hidden ? stop() : start());
  document.addEventListener("visibilitychange", () => job.isConnected && openOrClose());
  // Position and estimate come without events, because they change with other jobs.
  const wait = setInterval(() => {
    if (!job.isConnected) return clearInterval(wait);
    if (document.hidden) return;
    status();
    start();
  }, POLL_MS);
  openOrClose();
}

// Empty fields show the defaults of the chosen model.
function placeholders(form) {
  const model = form.elements.namedItem("model");
  // `form.dataset` may be a field of that name.
  const defaults = JSON.parse(form.getAttribute("data-defaults"));
  const none = new Map([...form.elements].map((field) => [field, field.placeholder]));
  const show = () => {
    const known = defaults[model.value] ?? {};
    for (const field of form.querySelectorAll("input[type=number]")) {
      const own = Object.values(defaults)[0]?.[field.name];
      const other = own === undefined ? none.get(field) : "";
      field.placeholder = known[field.name] ?? other;
    }
  };
  model?.addEventListener("change", show);
}

// In a text area, Ctrl-Enter or Command-Enter submits.
function submitByKeys(form) {
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(form.querySelector("#submit"));
  });
}

function copyButton(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = block.dataset.copy;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent).catch(() => null);
    button.textContent = block.dataset.copied;
    setTimeout(() => (button.textContent = block.dataset.copy), POLL_MS);
  });
  block.after(button);
}

// Shows only the fields that the chosen model accepts.
function acceptedFields(form) {
  const model = form.elements.namedItem("model");
  const show = () => {
    for (const field of form.querySelectorAll("[data-known-by]")) {
      const isUnknown = !JSON.parse(field.dataset.knownBy).includes(model.value);
      field.toggleAttribute("data-unknown", isUnknown);
      for (const input of field.querySelectorAll("input, select, textarea")) input.disabled = isUnknown;
    }
  };
  model?.addEventListener("change", show);
  if (model) show();
}

// Shows a chosen picture at once, and name and size of a chosen archive.
function chosenFile(input) {
  const shown = document.createElement("div");
  shown.className = "kept";
  shown.hidden = true;
  const image = document.createElement("img");
  image.alt = "";
  const size = document.createElement("p");
  input.after(shown);
  input.addEventListener("change", () => {
    URL.revokeObjectURL(image.src);
    const file = input.files[0];
    shown.hidden = !file;
    if (!file) return;
    const isPicture = file.type.startsWith("image/");
    if (isPicture) image.src = URL.createObjectURL(file);
    else size.textContent = `${file.name}, ${(file.size / 1e6).toFixed(1)} MB`;
    shown.replaceChildren(isPicture ? image : size);
  });
}

// Adds chosen pictures to those that were chosen before, and shows them in order, each with a button that removes it.
function chosenFiles(input) {
  const shown = document.createElement("ul");
  shown.className = "kept several";
  shown.hidden = true;
  input.after(shown);
  const kept = () => input.form.querySelectorAll(`[name="${input.name}_sha256"]:checked`).length;
  let files = [];
  const use = (chosen) => {
    files = chosen.slice(0, Math.max(0, Number(input.dataset.most || Infinity) - kept()));
    const list = new DataTransfer();
    for (const file of files) list.items.add(file);
    input.files = list.files;
    for (const image of shown.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    shown.hidden = files.length === 0;
    shown.replaceChildren(...files.map(row));
  };
  const row = (file, index) => {
    const [item, image, number, remove] = ["li", "img", "span", "button"].map((name) => document.createElement(name));
    Object.assign(image, { alt: file.name, src: URL.createObjectURL(file) });
    number.textContent = kept() + index + 1;
    Object.assign(remove, { type: "button", textContent: "×" });
    remove.setAttribute("aria-label", `${input.dataset.remove} ${kept() + index + 1}`);
    remove.addEventListener("click", () => use(files.filter((_, other) => other !== index)));
    item.append(image, number, remove);
    return item;
  };
  input.addEventListener("change", () => use([...files, ...input.files]));
}

// Shows the picture of the form below a field, with a canvas of its size to draw on.
function pictureCanvas(form, field) {
  const input = form.querySelector("#field-image");
  const known = form.querySelector("[data-picture]");
  const box = document.createElement("div");
  box.className = "painter";
  const frame = document.createElement("div");
  frame.className = "canvas";
  const image = document.createElement("img");
  image.alt = "";
  const canvas = document.createElement("canvas");
  frame.append(image, canvas);
  box.append(frame);
  field.append(box);
  const show = () => {
    if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
    const file = input.files[0];
    box.hidden = !file && !known;
    if (file) image.src = URL.createObjectURL(file);
    else if (known) image.src = known.dataset.picture;
  };
  // In pixels of the picture, not of the screen.
  const at = (event) => {
    const place = canvas.getBoundingClientRect();
    const x = ((event.clientX - place.left) / place.width) * canvas.width;
    const y = ((event.clientY - place.top) / place.height) * canvas.height;
    return [Math.min(Math.max(x, 0), canvas.width - 1), Math.min(Math.max(y, 0), canvas.height - 1)];
  };
  const onPicture = (drawn) => {
    image.addEventListener("load", () => {
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      drawn();
    });
    input.addEventListener("change", show);
    show();
  };
  return { box, canvas, at, onPicture };
}

// A mask that is painted over the picture is put into the field as a file.
function painter(form) {
  const mask = form.querySelector("#field-mask_image");
  if (!mask) return;
  const field = mask.closest(".field");
  const { box, canvas, at, onPicture } = pictureCanvas(form, field);
  const pen = canvas.getContext("2d");
  const [tools, label, brush, clear] = ["div", "label", "input", "button"].map((name) => document.createElement(name));
  tools.className = "tools";
  Object.assign(brush, { type: "range", min: 1, max: 50, value: 12 });
  Object.assign(clear, { type: "button", textContent: field.dataset.clear });
  label.append(field.dataset.brush, brush);
  tools.append(label, clear);
  box.append(tools);
  box.prepend(Object.assign(document.createElement("p"), { className: "hint", textContent: field.dataset.paint }));

  const keep = () => {
    const sheet = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const ink = sheet.getContext("2d");
    ink.fillRect(0, 0, sheet.width, sheet.height);
    ink.drawImage(canvas, 0, 0);
    sheet.toBlob((blob) => {
      const chosen = new DataTransfer();
      chosen.items.add(new File([blob], "mask.png", { type: "image/png" }));
      mask.files = chosen.files;
    }, "image/png");
  };
  const wipe = () => pen.clearRect(0, 0, canvas.width, canvas.height);
  let last = null;
  const stroke = (event) => {
    const now = at(event);
    pen.strokeStyle = "#fff";
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = Math.max(1, (Math.min(canvas.width, canvas.height) * brush.value) / 100);
    pen.beginPath();
    pen.moveTo(...(last ?? now));
    pen.lineTo(...now);
    pen.stroke();
    last = now;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    stroke(event);
  });
  canvas.addEventListener("pointermove", (event) => last && stroke(event));
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => {
      if (last) keep();
      last = null;
    });
  clear.addEventListener("click", () => {
    wipe();
    mask.value = "";
  });
  mask.addEventListener("change", wipe);
  onPicture(wipe);
}

// A click on the picture adds a line with a point to the field.
function pointer(form) {
  const lines = form.querySelector("#field-points");
  if (!lines) return;
  const field = lines.closest(".field");
  const { box, canvas, at, onPicture } = pictureCanvas(form, field);
  const pen = canvas.getContext("2d");
  box.prepend(Object.assign(document.createElement("p"), { className: "hint", textContent: field.dataset.paint }));
  const draw = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const radius = Math.max(1, Math.min(canvas.width, canvas.height) / 60);
    for (const line of lines.value.split(/[;\n]/)) {
      const [x, y, ...more] = line.split(",").map((part) => part.trim());
      if (!x || !y || isNaN(x) || isNaN(y)) continue;
      pen.beginPath();
      pen.arc(Number(x), Number(y), radius, 0, 2 * Math.PI);
      pen.fillStyle = more.includes("off") ? "#c22" : "#2a2";
      pen.fill();
      pen.lineWidth = radius / 3;
      pen.strokeStyle = "#fff";
      pen.stroke();
    }
  };
  canvas.addEventListener("click", (event) => {
    const place = at(event).map((value) => Math.round(value)).join(", ") + (event.shiftKey ? ", off" : "");
    lines.value = [lines.value.trim(), place].filter(Boolean).join("\n");
    draw();
  });
  lines.addEventListener("input", draw);
  onPicture(draw);
}

function activate(root) {
  const all = (selector) => [root, ...root.querySelectorAll(selector)].filter((found) => found.matches?.(selector));
  for (const job of all("[data-events]")) follow(job);
  for (const form of all("[data-maker]")) {
    placeholders(form);
    acceptedFields(form);
    submitByKeys(form);
    painter(form);
    pointer(form);
  }
  for (const form of all("[data-drop]")) dropped(form);
  for (const box of all("[data-compared]")) compared(box);
  for (const section of all("[data-explained]")) explained(section);
  for (const part of all("[data-explaining]")) explaining(part);
  for (const block of all("[data-copy]")) if (navigator.clipboard) copyButton(block);
  for (const input of all("input[type=file]")) (input.multiple ? chosenFiles : chosenFile)(input);
  for (const select of all("[data-submits]")) select.addEventListener("change", () => select.form.requestSubmit());
  for (const time of all("time")) {
    time.title = new Date(time.dateTime).toLocaleString(document.documentElement.lang);
  }
}

// A picture that is dropped on the page, or chosen in this form, is sent at once.
function dropped(form) {
  const input = form.querySelector("input[type=file]");
  input.addEventListener("change", () => input.files.length && form.requestSubmit());
  const holdsFile = (event) => event.dataTransfer?.types.includes("Files") && !event.target.closest?.("input[type=file]");
  addEventListener("dragover", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    form.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || form.classList.remove("over"));
  addEventListener("drop", (event) => {
    form.classList.remove("over");
    if (!holdsFile(event) || !event.dataTransfer.files.length) return;
    event.preventDefault();
    const chosen = new DataTransfer();
    chosen.items.add(event.dataTransfer.files[0]);
    input.files = chosen.files;
    form.requestSubmit();
  });
}

// A second press of the button does not submit the form again.
addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.matches("[data-theme-switch]")) return;
  if (form.hasAttribute("data-sent")) return event.preventDefault();
  form.setAttribute("data-sent", "yes");
  event.submitter?.setAttribute("aria-busy", "true");
});
// A page that comes back from the cache of the browser may submit again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-sent]")) form.removeAttribute("data-sent");
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});

// The theme changes at once. The choice is stored in the background.
document.querySelector("[data-theme-switch]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const data = new FormData(form, event.submitter);
  document.documentElement.dataset.theme = data.get("theme");
  [...form.elements].find((button) => button.type === "submit" && button.offsetParent)?.focus();
  fetch(form.action, { method: "POST", body: new URLSearchParams(data), redirect: "manual" }).catch(() => null);
});

activate(document);
keepCurrent("sheet", (sheet) => "unfinished" in sheet.dataset);
keepCurrent("live", () => true);
