// The latent explorer: sliders for the code of a curve, what the decoder makes of it, and the curves around it.
// vae_nbdev/inference/explorer.py writes the data; tools/test_explorer.py compares the decoder with the one in Python.
"use strict";
(() => {
  const NEAREST = 5, LINES = 100; // curves in the table; measured curves in the background
  const VIRIDIS = [[112, 82, 184], [63, 127, 196], [33, 163, 156], [94, 201, 98], [190, 200, 40]]; // on white and black

  // ---------------------------------------------------------------- the decoder
  function erf(x) {
    if (Math.abs(x) > 6) return Math.sign(x);
    let term = (2 / Math.sqrt(Math.PI)) * x * Math.exp(-x * x), sum = term;
    for (let n = 1; Math.abs(term) > 1e-17; n++) sum += term *= (2 * x * x) / (2 * n + 1);
    return sum;
  }
  const ACTIVATIONS = {
    silu: (x) => x / (1 + Math.exp(-x)),
    relu: (x) => Math.max(x, 0),
    gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
    tanh: Math.tanh,
  };

  // base64 → numbers; the bytes are little-endian, as in every browser's memory
  const KINDS = { 4: Float32Array, 8: Float64Array };
  const unpack = (text, Kind = Float32Array) => new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const open = (m) => m && { ...m, weight: unpack(m.weight, KINDS[m.bytes]), bias: m.bias && unpack(m.bias) };

  function linear({ rows, columns, weight, bias }, x) { // W x + b
    return Float64Array.from({ length: rows }, (_, i) => {
      let sum = bias ? bias[i] : 0;
      for (let j = 0; j < columns; j++) sum += weight[i * columns + j] * x[j];
      return sum;
    });
  }

  // The function z → { mean, sd }, both (R,) in the unit of the data. The network and a linear short cut give the mean
  // along some directions; where it has learned asinh of the curves, sinh undoes that. sd is what the code leaves open.
  function makeDecoder(data) {
    const { stretch, depart, tail, spread } = data, activation = ACTIVATIONS[data.activation], layers = data.layers.map(open);
    const [shortCut, basis, onto, left, departed] = [data.short_cut, data.basis, data.onto, data.left, depart?.onto].map(open);

    return function decode(z) {
      let h = z;
      layers.forEach((layer, i) => {
        h = linear(layer, h);
        if (i < layers.length - 1) h = h.map(activation);
      });
      let curve = linear(basis, linear(shortCut, z).map((c, k) => (c + h[k]) * spread[k]));
      if (stretch) {
        const { zero, center, softening, gain, limit } = stretch;
        const bounded = (w) => Math.max(-limit, Math.min(limit, w));
        curve = curve.map((y, r) => softening * Math.sinh(bounded((y + center[r]) / (gain * softening))) + zero[r]);
      }
      if (onto) curve = linear(onto, curve);
      let variance = new Float64Array(curve.length);
      if (depart) { // what is left open grows with the curve, or is always the same
        const size = ({ zero }) => (zero ? curve.reduce((sum, y, r) => sum + (y - zero[r]) ** 2, 0) / curve.length : 1);
        variance = linear(left, [size(depart)]);
        curve = linear(departed, curve);
      } else if (left) {
        variance = linear(left, h.subarray(spread.length).map((v) => Math.exp(Math.max(-10, Math.min(10, v)))));
      }
      const wider = (1 + tail * z.reduce((sum, v) => sum + v * v, 0)) / (1 + tail * z.length);
      return {
        mean: curve.map((y, r) => y * data.scale[r] + data.center[r]),
        sd: variance.map((v, r) => Math.sqrt(v * wider) * data.scale[r]),
      };
    };
  }

  // ---------------------------------------------------------------- small tools
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
  const range = (n, of) => Array.from({ length: n }, (_, i) => of(i));
  const rows = (numbers, width) => range(numbers.length / width, (i) => Array.from(numbers.subarray(i * width, (i + 1) * width)));
  const minus = (text) => text.replaceAll("-", "−");
  const short = (value, digits = 3) => minus(`${+value.toPrecision(digits)}`);
  const fromTo = (low, high) => `${short(low)} to ${short(high)}`;
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  const between = (value, low, high) => Math.max(low, Math.min(high, value));
  const finite = (corner) => !corner.includes("NaN"); // a gap
  const corners = (xs, ys) => xs.map((x, i) => `${x.toFixed(1)},${ys[i].toFixed(1)}`);
  const line = (xs, ys) => corners(xs, ys).map((c, i) => (Number.isFinite(ys[i - 1]) ? "L" : "M") + c).filter(finite).join("");
  const dots = (xs, ys) => corners(xs, ys).filter(finite).map((c) => `M${c}h0`).join("");
  const band = (xs, low, high) => `M${[...corners(xs, low), ...corners(xs, high).reverse()].join("L")}Z`;

  const raised = (power) => [...`${power}`].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");

  function stepOf(size, count) { // a round number, of which a size holds at most so many
    const power = 10 ** Math.floor(Math.log10(size / count));
    return [1, 2, 2.5, 5, 10].map((m) => m * power).find((step) => step >= (0.999 * size) / count);
  }
  function ticks(low, high, step) {
    const first = Math.ceil(low / step - 1e-9);
    return range(Math.floor(high / step + 1e-9) - first + 1, (i) => (first + i) * step);
  }
  function powers(low, high) { // for an axis of logarithms
    const steps = Math.log10(high / low) < 2 ? [1, 2, 5] : [1], first = Math.floor(Math.log10(low));
    const all = range(Math.ceil(Math.log10(high)) - first + 1, (i) => steps.map((s) => s * 10 ** (first + i)));
    return all.flat().filter((r) => r >= 0.999 * low && r <= 1.001 * high);
  }

  // ---------------------------------------------------------------- the page
  function explore(root, number) {
    const data = JSON.parse(root.querySelector("script").textContent), { radius, noise, latents, curves, one } = data;
    const d = latents.length, measured = curves.start.length - 1; // how many curves have a code and are shown
    const decode = makeDecoder(data.decoder), hasBand = Boolean(data.decoder.left);
    const draws = rows(unpack(data.draws), d), codes = measured ? rows(unpack(curves.codes), d) : draws;
    const values = unpack(curves.value), radii = curves.radius && unpack(curves.radius);
    const curveOf = (i) => { // its radii and values
      const part = [curves.start[i], curves.start[i + 1]];
      return [radii ? Array.from(radii.subarray(...part)) : radius, Array.from(values.subarray(...part))];
    };
    const physics = measured && curves.names.length ? rows(unpack(curves.parameters), curves.names.length) : [];
    const columns = [ // by which the curves can be coloured
      ...curves.names.map((name, k) => ({ name, of: (i) => physics[i][k] })),
      ...data.sliders.map((k) => ({ name: latents[k].name, of: (i) => codes[i][k] })),
    ].map((column) => ({ ...column, sorted: codes.map((_, i) => column.of(i)).sort((a, b) => a - b) }));
    const shade = (i) => {
      const { of, sorted } = columns[state.colour], rank = sorted.findIndex((v) => v >= of(i)) / Math.max(1, codes.length - 1);
      const t = rank * (VIRIDIS.length - 1), j = Math.min(Math.floor(t), VIRIDIS.length - 2);
      return `rgb(${VIRIDIS[j].map((c, k) => Math.round(c + (t - j) * (VIRIDIS[j + 1][k] - c)))})`;
    };
    // What the page shows: a code and its curve, the code it is compared with, two latents on the map, a colour
    const state = { z: data.start, kept: decode(data.start).mean, pair: [data.sliders[0], data.sliders[1] ?? null], colour: 0 };

    // -------------------------------------------------------------- its parts
    const sliders = new Map(), part = (className) => root.appendChild(html("div", { className }));
    const view = part("view"), legend = root.appendChild(html("ul", { className: "legend" })), buttons = part("buttons");
    const columnsOf = part("columns"), left = columnsOf.appendChild(html("div")), right = columnsOf.appendChild(html("div"));
    const drawing = (className, label, ...names) => {
      const element = svg(view, "svg", { class: className, role: "img", "aria-label": label });
      const clip = `explorer-${number}-${className}`, back = svg(element, "g");
      const inside = svg(element, "g", { "clip-path": `url(#${clip})` });
      const shown = { element, clip, back, cloud: svg(inside, "g"), scale: "" };
      for (const name of names) shown[name] = svg(inside, "path", { class: name });
      return shown;
    };
    const what = `The decoder's curve: ${data.ylabel} against ${data.xlabel}`;
    const chart = drawing("chart", what, "noise", "open", "nearest", "kept", "curve");
    const change = drawing("change", "Change of the curve from the starting curve", "noise", "open", "curve");
    for (const [name, shape, text] of [
      ["curve", "M0,6H28", "mean of the curves with this code"],
      ["open", "M0,0H28V12H0Z", hasBand && "± 1 standard deviation of what the code leaves open"],
      ["noise", "M0,0H28V12H0Z", hasBand ? "the same, with the noise of a measurement" : "± 1 standard deviation of the noise"],
      ["kept", "M0,6H28", "starting curve"],
      ["nearest", "M4,6h0M14,6h0M24,6h0", measured && `nearest ${one}`],
    ].filter(([, , text]) => text)) {
      const key = legend.appendChild(html("li"));
      svg(svg(key, "svg", { viewBox: "0 0 28 12", "aria-hidden": "true" }), "path", { class: name, d: shape });
      key.append(text);
    }

    // An empty plot with radius along x, drawn again when its scale or its size changes; returns whether it was
    function frame(plot, low, high, step, title, labels) {
      const { element, back } = plot, width = element.clientWidth, height = element.clientHeight;
      if (plot.scale === (plot.scale = [low, high, width, height].join())) return false;
      const margin = { left: 52, right: 8, top: 26, bottom: labels ? 36 : 8 }, along = data.log ? Math.log : (r) => r;
      const first = along(radius[0]), span = along(radius.at(-1)) - first, size = Math.max(Math.abs(low), Math.abs(high));
      const power = size >= 1e5 || size < 1e-2 ? 3 * Math.floor(Math.log10(size) / 3) : 0;
      const [right, bottom] = [width - margin.right, height - margin.bottom];
      plot.x = (r) => margin.left + ((along(r) - first) / span) * (right - margin.left);
      plot.y = (v) => bottom - ((v - low) / (high - low)) * (bottom - margin.top);
      element.setAttribute("viewBox", `0 0 ${width} ${height}`);
      back.replaceChildren();
      for (const tick of ticks(low, high, step)) {
        const v = Math.abs(tick) < 1e-9 * size ? 0 : tick, y = plot.y(v);
        svg(back, "line", { class: v ? "grid" : "zero", x1: margin.left, x2: right, y1: y, y2: y });
        svg(back, "text", { x: margin.left - 6, y: y + 4, "text-anchor": "end" }, short(v / 10 ** power, 6));
      }
      const round = stepOf(radius.at(-1) - radius[0], width > 500 ? 8 : 4);
      for (const r of data.log ? powers(radius[0], radius.at(-1)) : ticks(radius[0], radius.at(-1), round)) {
        const at = plot.x(r), anchor = at > width - 20 ? "end" : "middle";
        svg(back, "line", { class: "grid", x1: at, x2: at, y1: margin.top, y2: bottom });
        if (labels) svg(back, "text", { x: at, y: bottom + 16, "text-anchor": anchor }, short(r, 6));
      }
      const inside = { x: margin.left, y: margin.top, width: right - margin.left, height: bottom - margin.top };
      svg(svg(back, "clipPath", { id: plot.clip }), "rect", inside);
      svg(back, "text", { x: 4, y: 12 }, title + (power ? `, in units of 10${raised(power)}` : ""));
      if (labels) svg(back, "text", { x: (width + margin.left) / 2, y: height - 4, "text-anchor": "middle" }, data.xlabel);
      return true;
    }
    const widened = (low, high, step) => [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step, step];

    // -------------------------------------------------------------- drawing
    function drawLine({ x, y, ...paths }, curve, sd) { // a curve, and the bands around it
      const xs = radius.map(x), beside = (width, sign) => Array.from(curve, (v, r) => y(v + sign * width[r]));
      const wide = sd.map((s, r) => Math.hypot(s, noise[r]));
      paths.noise.setAttribute("d", band(xs, beside(wide, -1), beside(wide, 1)));
      if (hasBand) paths.open.setAttribute("d", band(xs, beside(sd, -1), beside(sd, 1)));
      paths.curve.setAttribute("d", line(xs, Array.from(curve, y)));
    }
    function drawCurves({ mean, sd }, near) {
      const [low, high] = data.range, least = Math.min(low, ...mean), most = Math.max(high, ...mean);
      const scale = widened(least, most, stepOf(most - least > 2 * (high - low) ? most - least : high - low, 5));
      if (frame(chart, ...scale, data.ylabel, true)) drawCloud();
      drawLine(chart, mean, sd);
      chart.kept.setAttribute("d", line(radius.map(chart.x), Array.from(state.kept, chart.y)));
      if (measured) {
        const [r, v] = curveOf(near);
        chart.nearest.setAttribute("d", dots(r.map(chart.x), v.map(chart.y)));
      }
      const difference = mean.map((m, r) => m - state.kept[r]);
      const top = Math.max(...difference.map((v, r) => Math.abs(v) + sd[r]), 2.5 * Math.max(...noise));
      frame(change, ...widened(-top, top, stepOf(top, 2)), "change from the starting curve", false);
      drawLine(change, difference, sd);
    }
    function drawCloud() {
      chart.cloud.replaceChildren();
      for (let i = 0; i < measured; i += Math.ceil(measured / LINES)) {
        const [r, v] = curveOf(i);
        svg(chart.cloud, "path", { d: line(r.map(chart.x), v.map(chart.y)), stroke: shade(i) });
      }
    }

    // The map: two latents, a dot for each code. A click on a dot takes the whole code, elsewhere it moves two latents
    const map = { width: 350, height: 260, left: 24, bottom: 24, top: 6, right: 6 };
    const inner = [map.width - map.left - map.right, map.height - map.bottom - map.top];
    const reach = ({ low, high }) => [low - 0.06 * (high - low), high + 0.06 * (high - low)];
    const share = (k, v) => between((v - reach(latents[k])[0]) / (reach(latents[k])[1] - reach(latents[k])[0]), 0, 1);
    function place(z, i = null) {
      const [across, up] = state.pair, strip = i === null ? 0.5 : (0.618 * i) % 1; // a single latent makes a strip
      const height = up === null ? strip : share(up, z[up]);
      return [map.left + share(across, z[across]) * inner[0], map.top + (1 - height) * inner[1]];
    }
    function put(element, z, i) {
      const [cx, cy] = place(z, i);
      element.setAttribute("cx", cx.toFixed(1));
      element.setAttribute("cy", cy.toFixed(1));
    }
    function drawMap() {
      const [across, up] = state.pair, middle = { x: map.left + inner[0] / 2, y: map.top + inner[1] / 2 };
      const circle = (attributes) => svg(map.element, "circle", attributes);
      map.element.replaceChildren();
      svg(map.element, "rect", { class: "frame", x: map.left, y: map.top, width: inner[0], height: inner[1] });
      if (measured) draws.forEach((z, i) => put(circle({ class: "draw", r: 1.5 }), z, i));
      codes.forEach((z, i) => put(circle({ fill: shade(i), r: 2.4 }), z, i));
      svg(map.element, "text", { x: middle.x, y: map.height - 7, "text-anchor": "middle" }, latents[across].name);
      const turned = { transform: `translate(14 ${middle.y}) rotate(-90)`, "text-anchor": "middle" };
      if (up !== null) svg(map.element, "text", turned, latents[up].name);
      [map.near, map.here] = [circle({ class: "near", r: 8 }), circle({ class: "here", r: 6 })];
    }
    function move(event) {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = map.element.getBoundingClientRect(), zoom = map.width / box.width;
      const [x, y] = [(event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom];
      const away = codes.map((z, i) => place(z, i)).map(([a, b]) => Math.hypot(a - x, b - y)), hit = away.indexOf(Math.min(...away));
      if (event.type === "pointerdown" && away[hit] < 5) return show(codes[hit].slice());
      const to = state.z.slice(), shares = [(x - map.left) / inner[0], 1 - (y - map.top) / inner[1]];
      state.pair.forEach((k, i) => {
        if (k === null) return;
        const [low, high] = reach(latents[k]);
        to[k] = between(low + shares[i] * (high - low), latents[k].low, latents[k].high);
      });
      return show(to);
    }

    // -------------------------------------------------------------- all together
    const distance = html("p", { className: "note distance" }), status = html("p", { className: "unseen", role: "status" });
    const table = []; // what its rows show of the nearest curves
    function show(z) {
      state.z = z;
      const away = codes.map((code) => Math.hypot(...code.map((c, k) => (c - z[k]) / latents[k].spread)));
      const near = away.map((_, i) => i).sort((a, b) => away[a] - away[b]).slice(0, NEAREST);
      drawCurves(decode(z), near[0]);
      put(map.here, z, null);
      put(map.near, codes[near[0]], near[0]);
      for (const [k, { input, output }] of sliders) [input.value, output.textContent] = [z[k], minus(z[k].toFixed(2))];
      for (const { nearest, five, of } of table) {
        const found = near.map(of);
        [nearest.textContent, five.textContent] = [short(found[0]), fromTo(Math.min(...found), Math.max(...found))];
      }
      sayDistance(away[near[0]], curves.labels.length ? `, ${curves.labels[near[0]]}` : "");
    }
    function sayDistance(nearest, name) {
      const lost = data.far !== null && nearest > data.far;
      distance.textContent = nearest < 1e-6 ? `This is the code of a ${one}${name}.` :
        `The nearest ${one}${name && `${name},`} is ${nearest.toFixed(2)} spreads away.` +
        (lost ? ` For 99 in 100 of them the nearest other is closer than ${data.far.toFixed(1)}: the decoder is guessing.` : "");
      distance.classList.toggle("lost", lost);
    }
    function say() { // for those who hear the page: once a slider has come to rest
      const { mean } = decode(state.z), most = mean.indexOf(Math.max(...mean));
      const highest = `Highest value ${short(mean[most])}, at ${short(radius[most])}: ${data.ylabel} against ${data.xlabel}.`;
      status.textContent = `${highest} ${distance.textContent}`;
    }
    const jump = (z) => { // to another curve, which becomes the one to compare with
      state.kept = decode(z).mean;
      show(z.slice());
    };
    const redraw = () => {
      [chart.scale, change.scale] = ["", ""];
      drawMap();
      show(state.z);
    };
    const select = (parent, text, options, chosen, change) => {
      const element = html("select", {}, ...options.map(([value, name]) => html("option", { value, textContent: name })));
      element.value = chosen;
      element.addEventListener("change", () => { change(+element.value); redraw(); });
      parent.append(html("label", {}, text, element));
    };

    for (const [text, press] of [
      ["Middle", () => jump(data.start)],
      ["Draw from the prior", () => jump(pick(draws))],
      ...(measured ? [[`A ${one}`, () => jump(pick(codes))]] : []),
      ["Compare from here", () => jump(state.z)],
    ]) buttons.appendChild(html("button", { type: "button", textContent: text })).addEventListener("click", press);
    const dearest = Math.max(...latents.map(({ kl }) => kl ?? 0));
    for (const k of data.sliders) {
      const { name, kl, low, high } = latents[k], output = html("output"), bar = html("span", { className: "bar" });
      const input = html("input", { type: "range", min: low, max: high, step: (high - low) / 400 });
      input.addEventListener("input", () => show(state.z.map((v, j) => (j === k ? +input.value : v))));
      bar.style.width = `${(100 * (kl ?? 0)) / dearest}%`;
      const label = html("label", {}, html("span", { textContent: `latent ${name}` }), input);
      const row = left.appendChild(html("div", { className: "slider" }, label, output)), track = html("span", { className: "track" }, bar);
      if (kl !== null) row.append(html("span", { className: "kl" }, track, `${kl.toFixed(1)} nats`));
      sliders.set(k, { input, output });
    }
    for (const text of data.notes) left.append(html("p", { className: "note", textContent: text }));
    const choices = part("choices"), names = data.sliders.map((k) => [k, latents[k].name]);
    right.append(choices);
    select(choices, "across ", names, state.pair[0], (k) => { state.pair[0] = k; });
    if (d > 1) select(choices, "up ", names, state.pair[1], (k) => { state.pair[1] = k; });
    select(choices, "colour ", columns.map(({ name }, i) => [i, name]), 0, (k) => { state.colour = k; });
    const about = { role: "img", "aria-label": `Map of two latents: codes of every ${one}, and of the curve` };
    map.element = svg(right, "svg", { class: "map", viewBox: `0 0 ${map.width} ${map.height}`, ...about });
    ["pointerdown", "pointermove"].forEach((name) => map.element.addEventListener(name, move));
    right.append(distance);
    if (physics.length) {
      const cells = (name, all) => all.map((text) => html(name, name === "th" ? { scope: "col" } : {}, text)), body = html("tbody");
      for (const { name, of, sorted } of columns.slice(0, curves.names.length)) {
        const [nearest, five, all] = cells("td", ["", "", fromTo(sorted[0], sorted.at(-1))]);
        body.append(html("tr", {}, html("th", { scope: "row", textContent: name }), nearest, five, all));
        table.push({ nearest, five, of });
      }
      const head = html("tr", {}, ...cells("th", ["parameter", "nearest", "five nearest", "all"]));
      root.append(html("table", {}, html("thead", {}, head), body));
    }
    root.append(status);
    ["change", "click"].forEach((name) => root.addEventListener(name, say));
    drawMap();
    show(state.z);
    new ResizeObserver(redraw).observe(chart.element);
  }

  function start(root, number) {
    if (!root.dataset.ready) explore(root, number);
    root.dataset.ready = "yes";
  }
  if (typeof document === "undefined") module.exports = { makeDecoder }; // for the test, which runs it in Node
  else document.querySelectorAll(".explorer").forEach(start);
})();
