"use strict";
// Keys and selection; every page also works without it.
(() => {
  const tiles = () => [...document.querySelectorAll(".tile[tabindex]")];
  const here = () => tiles().indexOf(document.activeElement.closest(".tile[tabindex]"));
  const typing = (node) => node.closest("input, textarea, select, dialog[open]");

  function go(step) {
    const all = tiles(), at = here();
    if (!all.length) return;
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  }

  // How many tiles stand in a row: those whose top is that of the first.
  function columns() {
    const all = tiles();
    const top = all[0] ? all[0].offsetTop : 0;
    return Math.max(1, all.filter((tile) => tile.offsetTop === top).length);
  }

  const picked = () => tiles().filter((tile) => tile.classList.contains("picked"));

  function tell() {
    const bar = document.getElementById("selected");
    if (!bar) return;
    const count = picked().length;
    bar.hidden = !count;
    bar.querySelector("b").textContent = count === 1 ? "1 selected" : `${count} selected`;
  }

  function pick(tile) {
    if (!tile || !tile.dataset.crop) return;
    tile.classList.toggle("picked");
    tile.setAttribute("aria-selected", tile.classList.contains("picked"));
    tell();
  }

  function pickAll(yes) {
    for (const tile of tiles()) if (tile.dataset.crop) tile.classList.toggle("picked", yes);
    tell();
  }

  const help = document.getElementById("help");
  const click = (selector) => { const link = document.querySelector(selector); if (link) link.click(); };
  const keys = {
    j: () => go(1), k: () => go(-1), ArrowRight: () => go(1), ArrowLeft: () => go(-1),
    ArrowDown: () => go(columns()), ArrowUp: () => go(-columns()),
    x: () => pick(tiles()[here()]), a: () => pickAll(picked().length === 0),
    n: () => click("a[rel=next]"), p: () => click("a[rel=prev]"),
    "/": () => document.getElementById("find").focus(),
    f: () => { const box = document.getElementById("filter"); if (box) { box.open = true; box.querySelector("select, input").focus(); } },
    Enter: () => { const tile = tiles()[here()]; if (tile && tile.dataset.link) location.href = tile.dataset.link; },
    "?": () => help.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.activeElement) document.activeElement.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const action = keys[event.key] || (window.corrections && window.corrections[event.key]);
    const arrows = event.key.startsWith("Arrow");
    if (!action || (arrows && !tiles().length)) return;
    if (event.key === "Enter" && !event.target.matches(".tile")) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile[tabindex]");
    if (tile && (event.shiftKey || event.ctrlKey || event.metaKey)) { event.preventDefault(); pick(tile); }
  });
  document.getElementById("help-button").addEventListener("click", () => help.showModal());
  const none = document.getElementById("select-none");
  if (none) none.addEventListener("click", () => pickAll(false));
})();
