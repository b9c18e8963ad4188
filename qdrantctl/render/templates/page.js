"use strict";
{
  const form = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const search = document.getElementById("address");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  // What is filtered: an entry, or each resource of an entry that shows several.
  const entries = [...document.querySelectorAll(".entry")].map((entry) => {
    const members = [...entry.querySelectorAll(".member")];
    return { entry, parts: members.length ? members : [entry] };
  });
  const total = entries.reduce((sum, { parts }) => sum + parts.length, 0);
  const sections = [...document.querySelectorAll(".entries")];

  const apply = () => {
    const wanted = new Map();
    for (const box of boxes.filter((box) => box.checked)) {
      const name = box.dataset.name;
      wanted.set(name, (wanted.get(name) ?? new Set()).add(box.value));
    }
    const text = search.value.trim().toLowerCase();
    let count = 0;
    for (const { entry, parts } of entries) {
      const selected = [...wanted].every(([name, values]) => values.has(entry.dataset[name]));
      for (const part of parts) {
        part.hidden = !(selected && part.dataset.address.toLowerCase().includes(text));
        count += !part.hidden;
      }
      entry.hidden = parts.every((part) => part.hidden);
    }
    for (const section of sections) {
      section.hidden = !section.querySelector(".entry:not([hidden])");
    }
    shown.textContent = `${count} of ${total} shown`;
  };
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    const entry = target?.closest(".entry");
    if (!entry) return;
    form.reset();
    apply(); // at once: what is hidden takes no focus
    entry.open = true;
    target.scrollIntoView();
    (target === entry ? entry.querySelector("summary") : target).focus();
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
