// The page of the latent explorer: sliders, the curve they make, and the training galaxies around it.
// The data are in data.js, the decoder in decoder.js. Everything is drawn as SVG, in the colours of the theme.
"use strict";

(() => {
  const NEIGHBOURS = 5, CLOUD = 120, STEP = 0.02; // galaxies in the table, curves in the background, step of a slider
  const VIRIDIS = [[112, 82, 184], [63, 127, 196], [33, 163, 156], [94, 201, 98], [190, 200, 40]]; // visible on white and black

  // ---------------------------------------------------------------- data
  const { radius, noise, latents, parameters, typical, far } = EXPLORER;
  const { n, curve_step } = EXPLORER.galaxies, d = latents.length;
  const rows = (numbers, width) => Array.from({ length: numbers.length / width }, (_, i) => Array.from(numbers.subarray(i * width, (i + 1) * width)));
  const codes = rows(unpack(EXPLORER.galaxies.codes), d);
  const physics = rows(unpack(EXPLORER.galaxies.parameters), parameters.length);
  const curves = rows(unpack(EXPLORER.galaxies.curves, Uint16Array), radius.length).map((curve) => curve.map((v) => v * curve_step));
  const draws = rows(unpack(EXPLORER.draws), d);
  const decode = makeDecoder(EXPLORER.decoder);
  const sorted = parameters.map((_, k) => physics.map((p) => p[k]).sort((a, b) => a - b));
  const quantile = (k, q) => sorted[k][Math.round(q * (n - 1))];
  const rank = (k, value) => sorted[k].findIndex((v) => v >= value) / (n - 1);

  // What the page shows: a code, the curve it makes, and the curve it is compared with
  const state = { z: codes[typical].slice(), curve: null, kept: null, colour: 0 };

  // ---------------------------------------------------------------- small tools
  const $ = (id) => document.getElementById(`explorer-${id}`);
  const html = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const svg = (parent, name, attributes = {}, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return parent.appendChild(element);
  };
  const minus = (text) => text.replace("-", "−");
  const path = (xs, ys) => "M" + xs.map((x, i) => `${x.toFixed(1)},${ys[i].toFixed(1)}`).join("L");
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  const shade = (k, value) => {
    const t = rank(k, value) * (VIRIDIS.length - 1), i = Math.min(Math.floor(t), VIRIDIS.length - 2);
    return `rgb(${VIRIDIS[i].map((c, j) => Math.round(c + (t - i) * (VIRIDIS[i + 1][j] - c)))})`;
  };
  const written = (k, value) => { // a parameter as one reads it
    const { log, unit } = parameters[k], number = 10 ** value;
    return (log ? `10^${value.toFixed(2)}` : number < 10 ? number.toFixed(1) : number.toFixed(0)) + (unit && ` ${unit}`);
  };
  const put = (element, text) => { // with ^x raised, and the sun lowered
    const shift = (part) => (part[0] === "^" ? html("sup", { textContent: part.slice(1) }) : part === "☉" ? html("sub", { textContent: part }) : part);
    element.replaceChildren(...text.split(/(\^[\d.-]+|☉)/).filter(Boolean).map(shift));
  };

  // Galaxies from the nearest to the farthest in latent space, each direction in units of its spread
  function neighbours(z) {
    const distance = codes.map((code) => Math.hypot(...code.map((c, k) => (c - z[k]) / latents[k].spread)));
    return distance.map((_, i) => i).sort((a, b) => distance[a] - distance[b]).slice(0, NEIGHBOURS).map((i) => ({ i, distance: distance[i] }));
  }

  // ---------------------------------------------------------------- axes
  function ticks(low, high, count) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
    return Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, i) => (Math.ceil(low / step) + i) * step);
  }
  const roundUp = (value, least) => [1, 1.5, 2, 3, 5, 7.5].flatMap((m) => [0, 1, 2, 3, 4, 5, 6, 7, 8].map((e) => m * 10 ** e))
    .sort((a, b) => a - b).find((top) => top >= Math.max(value, least)) || value;

  // An empty plot in an <svg>, with radius along x; returns its scales
  function frame(element, { low, high, count, title, labels }) {
    const width = element.clientWidth, height = element.clientHeight, margin = { left: 52, right: 8, top: 26, bottom: labels ? 36 : 8 };
    element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const span = Math.log(radius.at(-1) / radius[0]);
    const x = (r) => margin.left + (Math.log(r / radius[0]) / span) * (width - margin.left - margin.right);
    const y = (v) => height - margin.bottom - ((v - low) / (high - low)) * (height - margin.top - margin.bottom);
    const back = element.querySelector(".back");
    back.replaceChildren();
    for (const v of ticks(low, high, count)) {
      svg(back, "line", { class: v ? "grid" : "zero", x1: margin.left, x2: width - margin.right, y1: y(v), y2: y(v) });
      svg(back, "text", { x: margin.left - 6, y: y(v) + 4, "text-anchor": "end" }, minus(`${+v.toPrecision(6)}`));
    }
    for (const r of [0.1, 1, 10, 50].filter((r) => r >= 0.999 * radius[0] && r <= 1.001 * radius.at(-1))) {
      svg(back, "line", { class: "grid", x1: x(r), x2: x(r), y1: margin.top, y2: height - margin.bottom });
      if (labels) svg(back, "text", { x: x(r), y: height - margin.bottom + 16, "text-anchor": r > 40 ? "end" : "middle" }, `${r}`);
    }
    svg(svg(back, "clipPath", { id: `${element.id}-inside` }), "rect", { x: margin.left, y: margin.top, width: width - margin.left - margin.right, height: height - margin.top - margin.bottom });
    svg(back, "text", { x: 4, y: 12 }, title);
    if (labels) svg(back, "text", { x: (width + margin.left) / 2, y: height - 4, "text-anchor": "middle" }, "radius [kpc]");
    return { x, y, xs: radius.map(x), back };
  }

  // ---------------------------------------------------------------- the curve, and its distance from the one it is compared with
  const chart = { top: 0 }, change = { top: 0 };

  function drawChart(near) {
    const top = roundUp(1.02 * Math.max(...state.curve, ...state.kept), 500);
    if (top !== chart.top) { // the background, when its scale, its size or its colours change
      Object.assign(chart, { top }, frame($("chart"), { low: 0, high: top, count: 5, title: "velocity [km/s]", labels: true }));
      for (let i = 0; i < CLOUD; i++) {
        svg(chart.back, "path", { class: "cloud", d: path(chart.xs, curves[i].map(chart.y)), stroke: shade(state.colour, physics[i][state.colour]) });
      }
    }
    const line = (curve) => path(chart.xs, Array.from(curve, chart.y));
    $("nearest").setAttribute("d", line(curves[near]));
    $("kept").setAttribute("d", line(state.kept));
    $("curve").setAttribute("d", line(state.curve));
  }

  function drawChange() {
    const difference = Array.from(state.curve, (v, j) => v - state.kept[j]);
    const top = roundUp(1.05 * Math.max(...difference.map(Math.abs)), 15);
    if (top !== change.top) {
      Object.assign(change, { top }, frame($("change"), { low: -top, high: top, count: 3, title: "change since it set off [km/s]", labels: false }));
      svg(change.back, "rect", { class: "noise", x: change.xs[0], width: change.xs.at(-1) - change.xs[0], y: change.y(noise), height: change.y(-noise) - change.y(noise) });
    }
    $("difference").setAttribute("d", path(change.xs, difference.map(change.y)));
  }

  // ---------------------------------------------------------------- maps: two latents each, training codes as dots
  const maps = [];

  function buildMaps() {
    for (let k = 0; k + 1 < d; k += 2) {
      const [a, b] = [latents[k], latents[k + 1]], width = 350, height = 230, left = 24, bottom = 24, top = 6;
      const range = ({ low, high }) => [low - 0.06 * (high - low), high + 0.06 * (high - low)];
      const share = (latent, v) => Math.max(0, Math.min(1, (v - range(latent)[0]) / (range(latent)[1] - range(latent)[0])));
      const name = `Map of latents ${k + 1} and ${k + 2}: codes of the training galaxies, and the code of the curve`;
      const element = svg($("maps"), "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name });
      const inner = [width - left - 6, height - bottom - top]; // what lies outside is drawn on the edge
      const place = (z) => [left + share(a, z[k]) * inner[0], top + (1 - share(b, z[k + 1])) * inner[1]];
      svg(element, "rect", { class: "frame", x: left, y: top, width: inner[0], height: inner[1] });
      const dots = codes.map((z) => svg(element, "circle", { cx: place(z)[0].toFixed(1), cy: place(z)[1].toFixed(1), r: 2.2 }));
      svg(element, "text", { x: left + inner[0] / 2, y: height - 7, "text-anchor": "middle" }, `latent ${k + 1}`);
      svg(element, "text", { transform: `translate(14 ${top + inner[1] / 2}) rotate(-90)`, "text-anchor": "middle" }, `latent ${k + 2}`);
      const near = svg(element, "circle", { class: "near", r: 8 }), here = svg(element, "circle", { class: "here", r: 6 });
      const move = (event) => {
        if (event.type === "pointermove" && !event.buttons) return;
        const box = element.getBoundingClientRect(), scale = width / box.width, to = state.z.slice();
        const shares = [((event.clientX - box.left) * scale - left) / inner[0], 1 - ((event.clientY - box.top) * scale - top) / inner[1]];
        [a, b].forEach((latent, i) => {
          const [low, high] = range(latent);
          to[k + i] = Math.max(latent.low, Math.min(latent.high, low + shares[i] * (high - low)));
        });
        show(to);
      };
      element.addEventListener("pointerdown", move);
      element.addEventListener("pointermove", move);
      element.addEventListener("pointerup", say);
      maps.push({ dots, near, here, place });
    }
  }

  function drawMaps(near) {
    for (const map of maps) {
      for (const [mark, z] of [[map.here, state.z], [map.near, codes[near]]]) ["cx", "cy"].forEach((c, i) => mark.setAttribute(c, map.place(z)[i]));
    }
  }

  // ---------------------------------------------------------------- sliders, and the table of the nearest galaxies
  const sliders = [], table = [];

  function buildSliders() {
    latents.forEach(({ kl, low, high }, k) => {
      const id = `explorer-z${k + 1}`;
      const input = html("input", { type: "range", id, min: low.toFixed(2), max: high.toFixed(2), step: STEP });
      const output = html("output", { htmlFor: id }), bar = html("span", { className: "bar" });
      bar.style.width = `${(100 * kl) / Math.max(...latents.map((l) => l.kl))}%`;
      input.setAttribute("aria-describedby", `${id}-kl`);
      input.addEventListener("input", () => {
        state.z[k] = +input.value;
        show(state.z);
      });
      input.addEventListener("change", say);
      $("sliders").append(html("div", { className: "slider" },
        html("label", { htmlFor: id, textContent: `latent ${k + 1}` }), output, input,
        html("span", { className: "kl", id: `${id}-kl` }, html("span", { className: "track" }, bar), `KL ${kl.toFixed(1)} nats`)));
      sliders.push({ input, output });
    });
  }

  function buildTable() {
    parameters.forEach(({ name }, k) => {
      const value = html("td"), strip = html("td", { className: "strip" });
      const element = svg(strip, "svg", { viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true" });
      svg(element, "line", { class: "grid", x1: 0, x2: 100, y1: 7, y2: 7 });
      const marks = Array.from({ length: NEIGHBOURS }, () => svg(element, "line", { y1: 2, y2: 12 }));
      marks[0].setAttribute("class", "first");
      $("physics").append(html("tr", {}, html("th", { scope: "row", textContent: name }), value, strip));
      $("colour").append(html("option", { value: k, textContent: name }));
      table.push({ value, marks });
    });
  }

  function drawTable(near) {
    table.forEach(({ value, marks }, k) => {
      put(value, written(k, physics[near[0].i][k]));
      const low = quantile(k, 0.02), high = quantile(k, 0.98), at = (v) => 1 + 98 * Math.max(0, Math.min(1, (v - low) / (high - low)));
      marks.forEach((mark, j) => ["x1", "x2"].forEach((x) => mark.setAttribute(x, at(physics[near[j].i][k]))));
    });
    const lost = near[0].distance > far;
    $("distance").textContent = near[0].distance === 0 ? "This is the code of a training galaxy." :
      `The nearest training galaxy is ${near[0].distance.toFixed(2)} spreads away.` +
      (lost ? ` For 99 galaxies in 100 it is less than ${far.toFixed(1)}: the decoder is guessing.` : "");
    $("distance").classList.toggle("lost", lost);
  }

  // ---------------------------------------------------------------- all together
  function show(z) {
    state.z = Array.from(z);
    state.curve = decode(state.z);
    state.kept ??= state.curve;
    const near = neighbours(state.z);
    drawChart(near[0].i);
    drawChange();
    drawMaps(near[0].i);
    drawTable(near);
    sliders.forEach(({ input, output }, k) => {
      if (+input.value !== state.z[k]) input.value = state.z[k];
      output.textContent = minus(state.z[k].toFixed(2));
    });
  }

  function say() { // for those who hear the page: once a slider has come to rest
    const fastest = Math.max(...state.curve), where = radius[state.curve.indexOf(fastest)];
    $("status").textContent = `Fastest ${fastest.toFixed(0)} kilometres per second, at ${where.toPrecision(2)} kiloparsecs. ${$("distance").textContent}`;
  }

  function jump(z) { // to another galaxy, which becomes the one to compare with
    state.kept = null;
    show(z);
    say();
  }

  function recolour() {
    state.colour = +$("colour").value;
    maps.forEach(({ dots }) => dots.forEach((dot, i) => dot.setAttribute("fill", shade(state.colour, physics[i][state.colour]))));
    $("ramp").style.background = `linear-gradient(to right, ${VIRIDIS.map((c) => `rgb(${c})`)})`;
    put($("low"), written(state.colour, quantile(state.colour, 0.05)));
    put($("high"), written(state.colour, quantile(state.colour, 0.95)));
    redraw();
  }

  function redraw() {
    chart.top = change.top = 0;
    show(state.z);
  }

  buildSliders();
  buildTable();
  buildMaps();
  recolour();
  $("colour").addEventListener("change", recolour);
  $("typical").addEventListener("click", () => jump(codes[typical]));
  $("draw").addEventListener("click", () => jump(pick(draws)));
  $("galaxy").addEventListener("click", () => jump(pick(codes)));
  $("keep").addEventListener("click", () => jump(state.z));
  new ResizeObserver(redraw).observe($("chart"));
})();
