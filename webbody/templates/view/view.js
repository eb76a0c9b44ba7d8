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
    bar.hidden = !count && !document.body.dataset.edit;
    document.getElementById("select-none").hidden = !count;
    bar.querySelector("b").textContent = !count ? "" : count === 1 ? "1 selected" : `${count} selected`;
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

  // What was said in this tab, so that `u` takes back the last.
  const said = () => JSON.parse(sessionStorage.getItem("said") || "[]");

  async function post(fields) {
    const body = new URLSearchParams(fields);
    body.append("secret", document.body.dataset.secret);
    const why = document.getElementById("why");
    if (why && why.value) body.append("why", why.value);
    const answer = await fetch("/correct", { method: "POST", body });
    const told = await answer.json().catch(() => ({ sentence: "The server did not understand." }));
    const place = document.getElementById("told");
    if (place) place.textContent = told.sentence;
    if (!answer.ok && !place) alert(told.sentence);
    if (answer.ok && why) why.value = "";  // said of these alone
    return answer.ok ? told.ids : null;
  }

  async function say(verdict) {
    const focused = tiles()[here()];
    const meant = (picked().length ? picked() : focused ? [focused] : []).filter((tile) => tile.dataset.crop);
    if (!meant.length) return;
    // In the review a picture stands for its whole group, unless some were selected.
    const group = !picked().length && focused && focused.closest(".judged");
    if (group) meant.push(...[...group.querySelectorAll(".tile")].filter((tile) => tile !== focused));
    const named = group ? group.dataset.crops.split(" ") : meant.map((tile) => tile.dataset.crop);
    const items = [...new Set(named)];
    const ids = await post([["verdict", verdict], ...items.map((item) => ["item", item])]);
    if (!ids) return;
    sessionStorage.setItem("said", JSON.stringify([...said(), ids]));
    for (const tile of meant) {
      tile.classList.remove("picked");
      const mark = document.createElement("span");
      mark.className = "mark";
      mark.textContent = `${verdict} (waits)`;
      tile.querySelector("figcaption").append(mark);
    }
    tell();
    const at = here();
    if (group) {
      const next = tiles().findIndex((tile, i) => i > at && !group.contains(tile));
      if (next > 0) go(next - at);
    } else if (meant.length === 1 && meant[0] === focused) go(1);
  }

  async function undo(ids) {
    if (await post([["verdict", "undo"], ...ids.map((id) => ["undo", id])])) location.reload();
  }

  async function undoLast() {
    const all = said(), last = all.pop();
    if (!last) return;
    sessionStorage.setItem("said", JSON.stringify(all));
    await undo(last);
  }

  async function sayPair(button) {
    const { verdict, first, second } = button.dataset;
    const ids = await post([["verdict", verdict], ["first", first], ["second", second]]);
    if (!ids) return;
    sessionStorage.setItem("said", JSON.stringify([...said(), ids]));
    button.replaceWith(Object.assign(document.createElement("span"), { className: "mark", textContent: `${verdict} (waits)` }));
  }

  const verdicts = {};
  for (const button of document.querySelectorAll(".say")) {
    verdicts[button.querySelector("kbd").textContent] = () => say(button.dataset.verdict);
    button.addEventListener("click", () => say(button.dataset.verdict));
  }
  if (document.body.dataset.edit) verdicts.u = undoLast;
  document.addEventListener("click", (event) => {
    if (event.target.matches(".undo")) undo([event.target.dataset.undo]);
    if (event.target.matches(".say-pair")) sayPair(event.target);
  });
  // A click on a button takes the focus from the picture that is meant.
  document.addEventListener("mousedown", (event) => { if (event.target.closest(".say")) event.preventDefault(); });

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
    const action = verdicts[event.key] || keys[event.key];
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

// The map: points on a canvas, a click opens one, a line around some selects them.
(async () => {
  const canvas = document.getElementById("map");
  if (!canvas) return;
  const answer = await fetch(canvas.dataset.points);
  const title = document.getElementById("map-title");
  if (!answer.ok) { title.textContent = "There is nothing to draw."; return; }
  const points = await answer.json();
  const margin = 16;
  let line = [];

  const place = (i) => [
    margin + points.x[i] * (canvas.clientWidth - 2 * margin),
    margin + points.y[i] * (canvas.clientHeight - 2 * margin),
  ];
  const radius = (i) => Math.min(10, 2.5 + Math.sqrt(points.size[i]) / 2);

  function draw() {
    const scale = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const ink = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    ink.scale(scale, scale);
    ink.globalAlpha = 0.65;
    ink.fillStyle = style.getPropertyValue("--bar");
    for (let i = 0; i < points.x.length; i++) {
      const [x, y] = place(i);
      ink.beginPath();
      ink.arc(x, y, radius(i), 0, 7);
      ink.fill();
    }
    ink.globalAlpha = 1;
    ink.strokeStyle = style.getPropertyValue("--pick");
    ink.lineWidth = 2;
    ink.beginPath();
    line.forEach(([x, y], i) => (i ? ink.lineTo(x, y) : ink.moveTo(x, y)));
    ink.stroke();
  }

  function nearest(x, y) {
    let best = -1, least = 12 * 12;
    for (let i = 0; i < points.x.length; i++) {
      const [px, py] = place(i), far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least) { best = i; least = far; }
    }
    return best;
  }

  const at = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => { line = [at(event)]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (line.length) { line.push(at(event)); draw(); return; }
    const found = nearest(...at(event));
    title.textContent = found < 0 ? "\u00a0" : points.title[found];
  });
  canvas.addEventListener("pointerup", (event) => {
    const drawn = line, [x, y] = at(event);
    line = [];
    const far = Math.max(...drawn.map(([px, py]) => Math.hypot(px - drawn[0][0], py - drawn[0][1])));
    if (far < 8) {
      const found = nearest(x, y);
      if (found >= 0) location.href = points.link[found];
      return;
    }
    if (!points.lasso) { draw(); return; }
    const every = Math.ceil(drawn.length / 100);
    const corners = drawn.filter((_, i) => i % every === 0).map(([px, py]) => [
      Math.round(1000 * (px - margin) / (canvas.clientWidth - 2 * margin)),
      Math.round(1000 * (py - margin) / (canvas.clientHeight - 2 * margin)),
    ]);
    location.href = `/grid?lasso=${corners.flat().join(",")}`;
  });
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
