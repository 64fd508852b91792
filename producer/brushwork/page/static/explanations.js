// Sliders between a picture and its map, words that show their maps, and the settings of an explanation in a form.
// page.js calls these functions for what it adds to the page.
"use strict";

// How much of the second picture is seen. Both lie one above the other, so what matters stays in its place.
function compared(box) {
  const [slide, slider] = [box.querySelector(".slide"), box.querySelector("input")];
  const over = box.querySelector(".over");
  const show = () => (over.style.opacity = slider.value / 100);
  box.classList.add("stacked");
  slide.hidden = false;
  slider.addEventListener("input", show);
  show();
}

// One map at a time: the map of the word under the pointer or with the focus, else of the word that was chosen.
function explained(section) {
  const words = [...section.querySelectorAll("[data-shows]")];
  const maps = [...section.querySelectorAll("[data-number]")];
  if (!words.length || maps.length < 2) return;
  let chosen = words[0].dataset.shows;
  const show = (number) => {
    for (const map of maps) map.hidden = map.dataset.number !== number;
    for (const word of words) word.setAttribute("aria-current", word.dataset.shows === number);
  };
  const choose = (number) => show((chosen = number));
  for (const word of words) {
    word.addEventListener("pointerenter", () => show(word.dataset.shows));
    word.addEventListener("pointerleave", () => show(chosen));
    word.addEventListener("focus", () => choose(word.dataset.shows));
    word.addEventListener("click", (event) => {
      event.preventDefault();
      choose(word.dataset.shows);
    });
  }
  show(chosen);
}

// Shows only the settings that the chosen method reads. The others are not sent.
function explaining(part) {
  const method = part.querySelector("#field-explain");
  const show = () => {
    for (const field of part.querySelectorAll("[data-read-by]")) {
      const isRead = JSON.parse(field.dataset.readBy).includes(method.value);
      field.hidden = !isRead;
      for (const input of field.querySelectorAll("input, select, textarea")) input.disabled = !isRead;
    }
  };
  method.addEventListener("change", show);
  show();
}
