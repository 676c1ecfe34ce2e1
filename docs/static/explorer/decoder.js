// The decoder of the demo model: a code z, a handful of numbers, goes in, and a rotation curve [km/s] comes out.
// tools/explorer.py writes what it works with; tools/test_explorer.py compares it with the decoder in Python.
"use strict";

const activations = {
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
  tanh: Math.tanh,
};

// base64 → numbers; the bytes are little-endian, as in every browser's memory
function unpack(text, Kind = Float32Array) {
  return new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
}

// W x + b
function linear({ rows, columns, weight, bias }, x) {
  const y = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = bias ? bias[i] : 0;
    for (let j = 0; j < columns; j++) sum += weight[i * columns + j] * x[j];
    y[i] = sum;
  }
  return y;
}

// Wᵀ y
function transposed({ rows, columns, weight }, y) {
  const x = new Float64Array(columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) x[j] += weight[i * columns + j] * y[i];
  return x;
}

// Returns the function z → curve. A stack of layers and a linear short cut from z give the coordinates of the curve along
// its principal directions; if the network has worked with the asinh of the curves, sinh undoes it, and the curve is
// made of the principal directions of the curves themselves.
function makeDecoder(data) {
  const open = (m) => ({ ...m, weight: unpack(m.weight), bias: m.bias && unpack(m.bias) });
  const layers = data.layers.map(open), shortCut = open(data.short_cut), basis = open(data.basis);
  const spread = unpack(data.spread), activation = activations[data.activation], stretch = data.stretch;
  const zero = stretch && unpack(stretch.zero), center = stretch && unpack(stretch.center);
  const onto = stretch && open(stretch.onto);

  return function decode(z) {
    let h = z;
    layers.forEach((layer, i) => {
      h = linear(layer, h);
      if (i < layers.length - 1) h = h.map(activation);
    });
    const straight = linear(shortCut, z);
    let curve = linear(basis, h.map((c, k) => (c + straight[k]) * spread[k]));
    if (stretch) {
      curve = curve.map((y, r) => {
        const w = (y + center[r]) / (stretch.gain * stretch.softening);
        return stretch.softening * Math.sinh(Math.max(-stretch.largest, Math.min(stretch.largest, w))) + zero[r];
      });
      curve = linear(onto, transposed(onto, curve));
    }
    return curve.map((y, r) => y * data.scale[r] + data.center[r]);
  };
}

if (typeof module !== "undefined") module.exports = { makeDecoder, unpack }; // for the test, which runs it in Node
