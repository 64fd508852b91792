// Makes the page live. Everything works without it: forms post, and pages of running jobs load themselves anew.
"use strict";

const LOOK_AGAIN_MS = 2000;

// Puts the newest state of the element `id` in its place; what has the focus keeps it, by its id or name.
async function renew(id) {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  const here = document.getElementById(id);
  if (!response.ok || !here) return null;
  const text = await response.text();
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById(id);
  if (!fresh || fresh.isEqualNode(here)) return here;
  const focus = here.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  here.replaceWith(fresh);
  if (focus) fresh.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus();
  equip(fresh);
  return fresh;
}

// Renews an element again and again while `goesOn` says so and somebody looks.
function keepNew(id, goesOn) {
  const again = async () => {
    const here = document.getElementById(id);
    if (!here || !goesOn(here)) return;
    if (!document.hidden) await renew(id).catch(() => null);
    setTimeout(again, LOOK_AGAIN_MS);
  };
  setTimeout(again, LOOK_AGAIN_MS);
}

// Follows a job by its events. A hidden page lets go: browsers allow only few open streams to one host.
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
    // Spoken at every quarter, not at every step.
    const said = `${Math.floor((4 * step) / total) * 25} %`;
    const voice = bar.querySelector("[data-said]");
    if (voice.textContent !== said) voice.textContent = said;
  };
  const preview = (image) => {
    if (!image.startsWith("data:image/")) return;
    // Of several pictures there is one preview, with all of them side by side: each frame shows its part.
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
    // Where no events come through, these looks tell of steps too.
    if (!source) show(...["step", "total"].map((name) => Number(now.querySelector(`[data-${name}]`)?.textContent)));
    // "2 min ago" would else stay so.
    const times = now.querySelectorAll("time");
    job.querySelectorAll("time").forEach((time, index) => {
      if (times[index]?.dateTime === time.dateTime) time.textContent = times[index].textContent;
    });
    for (const id of ["state", "outlook"]) {
      const old = document.getElementById(id);
      const now = fresh.getElementById(id);
      if (old && now && !old.isEqualNode(now)) old.replaceChildren(...now.childNodes);
    }
  };
  const end = async () => {
    stop();
    clearInterval(wait);
    const mayFocus = document.activeElement && job.contains(document.activeElement);
    const fresh = await renew("job").catch(() => null);
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
    // A refusal, unlike a lost connection, is not tried again by the browser: the next look does.
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) source = null;
    });
  };
  const stop = () => {
    source?.close();
    source = null;
  };
  const look = () => (document.hidden ? stop() : start());
  document.addEventListener("visibilitychange", () => job.isConnected && look());
  // Place and estimate are no events: they change with other jobs.
  const wait = setInterval(() => {
    if (!job.isConnected) return clearInterval(wait);
    if (document.hidden) return;
    status();
    start();
  }, LOOK_AGAIN_MS);
  look();
}

// What each model fills in is shown in the empty fields.
function placeholders(form) {
  const model = form.elements.namedItem("model");
  const defaults = JSON.parse(form.dataset.defaults);
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

// In a text of several lines, Enter is a line; with Ctrl or Command it submits.
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
    setTimeout(() => (button.textContent = block.dataset.copy), LOOK_AGAIN_MS);
  });
  block.after(button);
}

// A chosen picture is shown at once.
function chosenPicture(input) {
  const shown = document.createElement("div");
  shown.className = "kept";
  shown.hidden = true;
  const image = document.createElement("img");
  image.alt = "";
  shown.append(image);
  input.after(shown);
  input.addEventListener("change", () => {
    URL.revokeObjectURL(image.src);
    shown.hidden = !input.files.length;
    if (input.files.length) image.src = URL.createObjectURL(input.files[0]);
  });
}

function equip(root) {
  const all = (selector) => [root, ...root.querySelectorAll(selector)].filter((found) => found.matches?.(selector));
  for (const job of all("[data-events]")) follow(job);
  for (const form of all("[data-maker]")) {
    placeholders(form);
    submitByKeys(form);
  }
  for (const block of all("[data-copy]")) if (navigator.clipboard) copyButton(block);
  for (const input of all("input[type=file]")) chosenPicture(input);
  for (const select of all("[data-submits]")) select.addEventListener("change", () => select.form.requestSubmit());
  for (const time of all("time")) {
    time.title = new Date(time.dateTime).toLocaleString(document.documentElement.lang);
  }
}

// A second press of a button submits no second job.
addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.matches("[data-theme-switch]")) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
});
// Back from the cache of the browser, it may be submitted again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});

// The light changes at once; the choice is remembered behind it.
document.querySelector("[data-theme-switch]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const data = new FormData(form, event.submitter);
  document.documentElement.dataset.theme = data.get("theme");
  [...form.elements].find((button) => button.type === "submit" && button.offsetParent)?.focus();
  fetch(form.action, { method: "POST", body: new URLSearchParams(data), redirect: "manual" }).catch(() => null);
});

equip(document);
keepNew("sheet", (sheet) => "unfinished" in sheet.dataset);
keepNew("live", () => true);
