// Keys. The pages work without.
"use strict";

const rows = [...document.querySelectorAll("[data-row]")];
const keys = document.getElementById("keys");
const search = document.getElementById("q");

const follow = (selector) => document.querySelector(selector)?.click();

function move(by) {
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by;
  if (next < 0) return follow("a[rel=prev]");
  if (next >= rows.length) return follow("a[rel=next]");
  rows[next].focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

const step = (by) => (rows.length ? move(by) : follow(by > 0 ? "a[rel=next]" : "a[rel=prev]"));

const actions = {
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: rows.length ? () => move(1) : null,
  ArrowUp: rows.length ? () => move(-1) : null,
  ArrowRight: () => follow("a[rel=next]"),
  ArrowLeft: () => follow("a[rel=prev]"),
  u: () => follow(document.querySelector("a[data-up]") ? "a[data-up]" : ".brand"),
  "/": () => {
    if (search) search.select();
    else location.href = (document.querySelector("a[data-up]")?.href ?? "/pairs").split("#")[0] + "#q";
  },
  "?": () => (keys.open ? keys.close() : keys.showModal()),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.matches("input, select, textarea")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (keys.open && event.key !== "?") return;
  const action = Object.hasOwn(actions, event.key) && actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

// Back in a list, go on from where one was.
const come = () => {
  const target = document.getElementById(location.hash.slice(1));
  (target?.querySelector("[data-row]") ?? (target === search ? search : null))?.focus();
};
addEventListener("hashchange", come);
addEventListener("load", () => setTimeout(come)); // the browser's own way there ends the focus

const help = document.getElementById("help");
help.hidden = false;
help.addEventListener("click", actions["?"]);
