// The explorer of activation functions: choose one, move z, watch the tangent and the derivative.
// It takes the place of a static figure; without this script, and in EPUB, the figure stays.
(() => {
  const sigmoid = (z) => {
    const e = Math.exp(-Math.abs(z));
    return (z >= 0 ? 1 : e) / (1 + e);
  };
  const leaky = { g: (z, a) => (z > 0 ? z : a * z), d: (z, a) => (z > 0 ? 1 : a), kinks: [0] };
  // Values, derivatives and the conventions at the kinks are those of dnnbook.activations, looks those of dnnbook.figures.
  const FUNCTIONS = {
    linear: { g: (z) => z, d: () => 1, look: "ink dotted" },
    sigmoid: {
      g: sigmoid,
      d: (z) => {
        const e = Math.exp(-Math.abs(z));
        return e / ((1 + e) * (1 + e));
      },
      look: "vermilion solid",
    },
    tanh: {
      g: Math.tanh,
      d: (z) => {
        const e = Math.exp(-2 * Math.abs(z));
        return (4 * e) / ((1 + e) * (1 + e));
      },
      look: "green dashed",
    },
    relu: { g: (z) => (z <= 0 ? 0 : z), d: (z) => (z > 0 ? 1 : 0), kinks: [0], look: "blue solid" },
    absolute_relu: { g: Math.abs, d: (z) => (z > 0 ? 1 : z < 0 ? -1 : 0), kinks: [0], look: "orange dashed" },
    leaky_relu: { ...leaky, alpha: 0.01, look: "sky dashed" },
    prelu: { ...leaky, alpha: 0.25, look: "sky dashdot" },
    elu: {
      g: (z, a) => (z > 0 ? z : a * Math.expm1(z)),
      d: (z, a) => (z > 0 ? 1 : a * Math.exp(z)),
      kinks: [0],
      alpha: 1,
      look: "purple dashdot",
    },
    relu6: { g: (z) => (z <= 0 ? 0 : z >= 6 ? 6 : z), d: (z) => (z > 0 && z < 6 ? 1 : 0), kinks: [0, 6], look: "blue long" },
    softplus: { g: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))), d: sigmoid, look: "orange solid" },
  };
  const COLORS = {
    blue: "#0072B2",
    orange: "#E69F00",
    green: "#009E73",
    vermilion: "#D55E00",
    purple: "#CC79A7",
    sky: "#56B4E9",
    ink: "currentColor",
  };
  const DASHES = { solid: "", dashed: "10 4", dotted: "2 2.4", dashdot: "12 4 2 4", long: "18 6" };
  const LIMIT = 8; // z from -8 to 8, so that both kinks of ReLU6 are on the page
  const PANELS = [
    { title: "activation g(z)", low: -2.5, high: 8 },
    { title: "derivative g′(z)", low: -1.3, high: 1.5 },
  ];

  const value = (name, z, alpha = FUNCTIONS[name].alpha) => FUNCTIONS[name].g(z, alpha);
  const derivative = (name, z, alpha = FUNCTIONS[name].alpha) => FUNCTIONS[name].d(z, alpha);
  const text = (x) => String(Number(x.toPrecision(6)) || 0).replace("-", "−");

  const svg = (name, attributes = {}, content = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, v] of Object.entries(attributes)) node.setAttribute(key, v);
    node.textContent = content;
    return node;
  };
  const html = (name, attributes = {}, ...children) => {
    const node = Object.assign(document.createElement(name), attributes);
    node.append(...children);
    return node;
  };

  // Points of a curve in pieces that meet at the kinks, so that a jump of the derivative is not joined by a line.
  function pieces(f, kinks = []) {
    const ends = [-LIMIT, ...kinks, LIMIT];
    return ends.slice(1).map((right, i) => {
      const [a, b] = [ends[i] + (i > 0 ? 1e-9 : 0), i < kinks.length ? right - 1e-9 : right];
      return Array.from({ length: 121 }, (_, k) => a + ((b - a) * k) / 120).map((z) => [z, f(z)]);
    });
  }

  function draw(picture, width, name, z, alpha) {
    const wide = width > 520;
    const [w, h] = [wide ? (width - 24) / 2 : width, wide ? 260 : 215];
    const [color, dash] = FUNCTIONS[name].look.split(" ");
    const height = wide ? h : 2 * h + 10;
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("height", height);
    picture.replaceChildren();
    PANELS.forEach(({ title, low, high }, i) => {
      const [left, top] = wide ? [i * (w + 24), 0] : [0, i * (h + 10)];
      const x = (v) => left + 30 + ((v + LIMIT) / (2 * LIMIT)) * (w - 38);
      const y = (v) => top + 26 + ((high - v) / (high - low)) * (h - 46);
      const f = (v) => (i === 0 ? value(name, v, alpha) : derivative(name, v, alpha));
      const clip = svg("clipPath", { id: `${picture.id}-${i}` });
      clip.append(svg("rect", { x: x(-LIMIT), y: y(high), width: x(LIMIT) - x(-LIMIT), height: y(low) - y(high) }));
      const curves = svg("g", { "clip-path": `url(#${picture.id}-${i})` });
      picture.append(svg("text", { x: x(-LIMIT), y: top + 14 }, title), clip);
      for (const v of [-6, -4, -2, 0, 2, 4, 6]) {
        picture.append(svg("line", { class: v ? "grid" : "axis", x1: x(v), x2: x(v), y1: y(low), y2: y(high) }));
        picture.append(svg("text", { class: "tick", x: x(v), y: y(low) + 15, "text-anchor": "middle" }, text(v)));
      }
      for (const v of i === 0 ? [-2, 0, 2, 4, 6, 8] : [-1, -0.5, 0, 0.5, 1, 1.5]) {
        picture.append(svg("line", { class: v ? "grid" : "axis", x1: x(-LIMIT), x2: x(LIMIT), y1: y(v), y2: y(v) }));
        picture.append(svg("text", { class: "tick", x: x(-LIMIT) - 5, y: y(v) + 4, "text-anchor": "end" }, text(v)));
      }
      const look = { class: "curve", stroke: color === "ink" ? "currentColor" : COLORS[color], "stroke-dasharray": DASHES[dash] };
      for (const points of pieces(f, FUNCTIONS[name].kinks)) {
        curves.append(svg("polyline", { ...look, points: points.map(([a, b]) => `${x(a).toFixed(2)},${y(b).toFixed(2)}`).join(" ") }));
      }
      curves.append(svg("line", { class: "cursor", x1: x(z), x2: x(z), y1: y(low), y2: y(high) }));
      if (i === 0) {
        const slope = derivative(name, z, alpha);
        const [a, b] = [z - 2, z + 2];
        curves.append(svg("line", { class: "tangent", x1: x(a), x2: x(b), y1: y(f(z) - 2 * slope), y2: y(f(z) + 2 * slope) }));
      }
      picture.append(curves, svg("circle", { class: "point", cx: x(z), cy: y(Math.min(Math.max(f(z), low), high)), r: 5 }));
    });
    // From a place on the screen to z, in either panel.
    return (place) => {
      const inside = wide ? place % (w + 24) : place;
      return ((inside - 30) / (w - 38)) * 2 * LIMIT - LIMIT;
    };
  }

  function build(place, number) {
    const choice = html("select");
    for (const name of Object.keys(FUNCTIONS)) choice.append(html("option", { value: name, textContent: name }));
    choice.value = place.dataset.function in FUNCTIONS ? place.dataset.function : "relu";
    const slider = (min, max, step, v) => Object.assign(html("input", { type: "range" }), { min, max, step, value: v });
    const z = slider(-LIMIT, LIMIT, 0.05, -1.25);
    const alpha = slider(0, 2, 0.01, 1);
    const alphaLabel = html("label", {}, html("span", { textContent: "α" }), alpha);
    const picture = svg("svg", { class: "explorer-picture", role: "img", id: `explorer-${number}` });
    const readout = html("output", { className: "explorer-readout" });
    readout.setAttribute("aria-live", "polite");
    z.setAttribute("aria-label", "pre-activation z");
    alpha.setAttribute("aria-label", "parameter alpha");
    let toZ = () => 0;

    const show = () => {
      const [name, at, a] = [choice.value, Number(z.value), Number(alpha.value)];
      alphaLabel.hidden = FUNCTIONS[name].alpha === undefined;
      z.setAttribute("aria-valuetext", `z = ${text(at)}`);
      alpha.setAttribute("aria-valuetext", `alpha = ${text(a)}`);
      picture.setAttribute("aria-label", `${name} with its tangent at z = ${text(at)}, and its derivative`);
      toZ = draw(picture, Math.max(picture.clientWidth || place.clientWidth, 260), name, at, a);
      const parts = [`z = ${text(at)}`, `g(z) = ${text(value(name, at, a))}`, `g′(z) = ${text(derivative(name, at, a))}`];
      if (!alphaLabel.hidden) parts.unshift(`α = ${text(a)}`);
      readout.replaceChildren(...parts.map((part) => html("span", { textContent: part })));
    };
    const choose = () => {
      alpha.value = FUNCTIONS[choice.value].alpha ?? alpha.value;
      show();
    };
    const follow = (event) => {
      z.value = toZ(event.clientX - picture.getBoundingClientRect().left);
      show();
    };
    choice.addEventListener("change", choose);
    z.addEventListener("input", show);
    alpha.addEventListener("input", show);
    picture.addEventListener("pointerdown", (event) => {
      picture.setPointerCapture(event.pointerId);
      follow(event);
    });
    picture.addEventListener("pointermove", (event) => event.buttons && follow(event));

    const controls = html("div", { className: "explorer-controls" });
    controls.append(html("label", {}, html("span", { textContent: "function" }), choice));
    controls.append(html("label", {}, html("span", { textContent: "z" }), z), alphaLabel);
    place.append(controls, picture, readout);
    const still = document.getElementById(place.dataset.replaces)?.querySelector("svg, img");
    still?.replaceWith(place);
    choose();
    new ResizeObserver(show).observe(place);
  }

  window.dnnbookExplorer = { value, derivative, names: Object.keys(FUNCTIONS) };
  document.querySelectorAll(".explorer").forEach(build);
})();
