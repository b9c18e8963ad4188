"use strict";
{
  const form = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const search = document.getElementById("address");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const entries = [...document.querySelectorAll(".entry")];
  const sections = [...document.querySelectorAll(".entries")];

  const apply = () => {
    const wanted = new Map();
    for (const box of boxes.filter((box) => box.checked)) {
      const name = box.dataset.name;
      wanted.set(name, (wanted.get(name) ?? new Set()).add(box.value));
    }
    const text = search.value.trim().toLowerCase();
    let count = 0;
    for (const entry of entries) {
      const fits =
        entry.dataset.address.toLowerCase().includes(text) &&
        [...wanted].every(([name, values]) => values.has(entry.dataset[name]));
      entry.hidden = !fits;
      count += fits;
    }
    for (const section of sections) {
      section.hidden = !section.querySelector(".entry:not([hidden])");
    }
    shown.textContent = `${count} of ${entries.length} shown`;
  };
  const reveal = () => {
    const entry = document.getElementById(location.hash.slice(1));
    if (!entry?.classList.contains("entry")) return;
    form.reset();
    entry.open = true;
    entry.scrollIntoView();
    entry.querySelector("summary").focus();
  };

  form.addEventListener("input", apply);
  form.addEventListener("reset", () => queueMicrotask(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) {
      part.dataset.wasOpen = part.open;
      part.open = true;
    }
  });
  addEventListener("afterprint", () => {
    for (const part of document.querySelectorAll("details")) {
      part.open = part.dataset.wasOpen === "true";
    }
  });
  form.hidden = false;
}
