// The race: optimizers on a surface of two weights, run in the page. Drag the start, change the rates, play or step.
// It takes the place of a static figure; without this script, and in EPUB, the figure stays.
(() => {
  // Values, slopes and the order of operations are those of dnnbook.surfaces and dnnbook.optimizers: the paths are the same.
  const SURFACES = {
    saddle: {
      f: ([a, b]) => (a - b) * (a + b),
      slope: ([a, b]) => [2 * a, -2 * b],
      box: [[-1.5, 1.5], [-1.5, 1.5]],
      low: -2,
      high: 2,
    },
    quadratic: {
      f: ([a, b]) => 0.5 * (a * a + 100 * (b * b)),
      slope: ([a, b]) => [a, 100 * b],
      box: [[-5, 5], [-1, 1]],
      least: [0, 0],
    },
    rosenbrock: {
      f: ([a, b]) => 100 * ((b - a * a) * (b - a * a)) + (1 - a) * (1 - a),
      slope: ([a, b]) => [-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a)],
      box: [[-2, 2], [-1, 3]],
      least: [1, 1],
    },
    beale: {
      f: ([a, b]) => residuals(a, b).reduce((sum, [, r]) => sum + r * r, 0),
      slope: ([a, b]) => {
        const [[u1, r1], [u2, r2], [u3, r3]] = residuals(a, b);
        return [-2 * (r1 * u1 + r2 * u2 + r3 * u3), 2 * a * (r1 + 2 * b * r2 + 3 * b * b * r3)];
      },
      box: [[0, 4.5], [-1.5, 1.5]],
      least: [3, 0.5],
    },
  };
  function residuals(a, b) {
    const u = [1 - b, (1 - b) * (1 + b), (1 - b) * (1 + b + b * b)];
    return [1.5, 2.25, 2.625].map((y, i) => [u[i], y - a * u[i]]);
  }

  // One step of one weight: s is its state, n the numbers; the result is what is added to the weight.
  const plain = { eta: 0.01, gamma: 0.9, beta: 0.9, beta1: 0.9, beta2: 0.999 };
  const gone = (beta, t) => (beta > 0 ? -Math.expm1(t * Math.log(beta)) : 1);
  const OPTIMIZERS = {
    sgd: { label: "SGD", look: "blue solid", step: (g, s, n) => -(n.eta * g) },
    momentum: { label: "Momentum", look: "orange dashed", step: (g, s, n) => (s.v = n.gamma * s.v - n.eta * g) },
    nesterov: {
      label: "Nesterov",
      look: "green dashdot",
      step: (g, s, n) => {
        s.v = n.gamma * s.v - n.eta * g;
        return n.gamma * s.v - n.eta * g;
      },
    },
    adagrad: {
      label: "AdaGrad",
      look: "purple dotted",
      step: (g, s, n) => {
        s.v += g * g;
        return -((n.eta * g) / (Math.sqrt(s.v) + 1e-10));
      },
    },
    rmsprop: {
      label: "RMSProp",
      look: "sky long",
      step: (g, s, n) => {
        s.v = n.beta * s.v + (1 - n.beta) * g * g;
        return -((n.eta * g) / (Math.sqrt(s.v) + 1e-8));
      },
    },
    adadelta: {
      label: "Adadelta",
      look: "green dotted",
      free: true,
      step: (g, s) => {
        s.v = 0.95 * s.v + (1 - 0.95) * g * g;
        const step = -((Math.sqrt(s.u + 1e-6) / Math.sqrt(s.v + 1e-6)) * g);
        s.u = 0.95 * s.u + (1 - 0.95) * step * step;
        return step;
      },
    },
    adam: {
      label: "Adam",
      look: "vermilion solid",
      step: (g, s, n, t) => {
        s.m = n.beta1 * s.m + (1 - n.beta1) * g;
        s.v = n.beta2 * s.v + (1 - n.beta2) * g * g;
        return -((n.eta * (s.m / gone(n.beta1, t))) / (Math.sqrt(s.v / gone(n.beta2, t)) + 1e-8));
      },
    },
    irprop_minus: {
      label: "RPROP",
      look: "purple dashed",
      free: true,
      step: (g, s) => {
        const agreement = Math.sign(s.g) * Math.sign(g);
        if (agreement > 0) s.delta = Math.min(1.2 * s.delta, 50);
        if (agreement < 0) s.delta = Math.max(0.5 * s.delta, 1e-6);
        s.g = agreement < 0 ? 0 : g;
        return -(Math.sign(s.g) * s.delta);
      },
    },
  };

  function path(surface, name, start, steps, numbers = {}) {
    const n = { ...plain, ...numbers };
    const states = start.map(() => ({ m: 0, v: 0, u: 0, g: 0, delta: 0.1 }));
    const points = [[...start]];
    for (let t = 1; t <= steps; t++) {
      const w = points.at(-1);
      const g = SURFACES[surface].slope(w);
      points.push(w.map((x, i) => x + OPTIMIZERS[name].step(g[i], states[i], n, t)));
    }
    return points;
  }

  const COLORS = {
    blue: "#0072B2",
    orange: "#E69F00",
    green: "#009E73",
    vermilion: "#D55E00",
    purple: "#CC79A7",
    sky: "#56B4E9",
  };
  const DASHES = { solid: "", dashed: "10 4", dotted: "2 2.4", dashdot: "12 4 2 4", long: "18 6" };
  const FLOOR = 1e-9; // of the logarithmic axis
  const SPEED = 25; // steps per second
  const look = (name) => {
    const [color, dash] = OPTIMIZERS[name].look.split(" ");
    return { stroke: COLORS[color], "stroke-dasharray": DASHES[dash] };
  };
  const text = (x, digits = 3) => String(Number(x.toPrecision(digits)) || 0).replace(/-/g, "−");
  const lossText = (x) => {
    if (!Number.isFinite(x)) return x < 0 ? "−∞" : "∞"; // NaN: it has left the numbers upward and downward
    return Math.abs(x) < 1e6 ? text(x) : x.toExponential(1).replace("+", "").replace("-", "−");
  };
  const near = (x) => Math.min(Math.max(x, -1e4), 1e4);

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
  const line = (points) => points.map(([a, b]) => `${near(a).toFixed(2)},${near(b).toFixed(2)}`).join(" ");

  // Lines of equal height: the cells of a grid are cut where a level passes between their corners.
  function contours({ f, box: [[x0, x1], [y0, y1]], low }, x, y) {
    const [columns, rows] = [80, 72];
    const at = (i, j) => [x0 + ((x1 - x0) * i) / columns, y0 + ((y1 - y0) * j) / rows];
    const height = Array.from({ length: rows + 1 }, (_, j) => Array.from({ length: columns + 1 }, (_, i) => f(at(i, j))));
    const levels =
      low === undefined
        ? Array.from({ length: 12 }, (_, k) => 10 ** ((k - 4) / 2))
        : Array.from({ length: 9 }, (_, k) => 0.4 * (k - 4));
    const cell = [[0, 0], [1, 0], [1, 1], [0, 1]];
    let d = "";
    for (const level of levels) {
      for (let j = 0; j < rows; j++) {
        for (let i = 0; i < columns; i++) {
          const corners = cell.map(([p, q]) => [at(i + p, j + q), height[j + q][i + p] - level]);
          const cuts = [];
          corners.forEach(([p, u], k) => {
            const [q, v] = corners[(k + 1) % 4];
            const between = (k) => p[k] + ((q[k] - p[k]) * u) / (u - v);
            if (u < 0 !== v < 0) cuts.push([x(between(0)).toFixed(1), y(between(1)).toFixed(1)]);
          });
          for (let k = 0; k + 1 < cuts.length; k += 2) d += `M${cuts[k]}L${cuts[k + 1]}`;
        }
      }
    }
    return d;
  }

  // The axes of a panel; x and y take numbers to places on the screen.
  function panel(picture, { left, top, width, height, xs, ys, title, xTicks, yTicks }) {
    const x = (v) => left + ((v - xs[0]) / (xs[1] - xs[0])) * width;
    const y = (v) => top + ((ys[1] - v) / (ys[1] - ys[0])) * height;
    const clip = svg("clipPath", { id: `${picture.id}-${left}-${top}` });
    clip.append(svg("rect", { x: left, y: top, width, height }));
    picture.append(svg("text", { x: left, y: top - 8 }, title), clip);
    picture.append(svg("rect", { class: "frame", x: left, y: top, width, height }));
    for (const [v, label] of xTicks) {
      picture.append(svg("text", { class: "tick", x: x(v), y: top + height + 15, "text-anchor": "middle" }, label));
    }
    for (const [v, label] of yTicks) {
      picture.append(svg("line", { class: "grid", x1: left, x2: left + width, y1: y(v), y2: y(v) }));
      picture.append(svg("text", { class: "tick", x: left - 5, y: y(v) + 4, "text-anchor": "end" }, label));
    }
    const group = svg("g", { "clip-path": `url(#${clip.id})` });
    picture.append(group);
    const toX = (place) => xs[0] + ((place - left) / width) * (xs[1] - xs[0]);
    const toY = (place) => ys[1] - ((place - top) / height) * (ys[1] - ys[0]);
    return { x, y, group, toX, toY };
  }

  // Whole numbers of an axis; the even ones where there are many.
  const whole = ([low, high]) =>
    Array.from({ length: 12 }, (_, k) => k - 6).filter((v) => v >= low && v <= high && (high - low < 6 || v % 2 === 0));

  function build(place, number) {
    const setup = JSON.parse(place.dataset.setup || "{}");
    const steps = setup.steps ?? 200;
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    const names = Object.keys(OPTIMIZERS);
    let [surface, start, t, paths, map, playing, before] = [place.dataset.surface, [0, 0], steps, {}, null, 0, 0];

    const range = (label, min, max, step, value) => {
      const input = Object.assign(html("input", { type: "range" }), { min, max, step, value });
      input.setAttribute("aria-label", label);
      return input;
    };
    const button = (label, act) => {
      const node = html("button", { type: "button", textContent: label });
      node.addEventListener("click", act);
      return node;
    };
    const choice = html("select");
    for (const name of Object.keys(SURFACES)) choice.append(html("option", { value: name, textContent: name }));
    const time = range("step", 0, steps, 1, steps);
    const play = button("Play", () => (playing ? stop() : begin()));
    const step = button("Step", () => (stop(), seek(t < steps ? t + 1 : 0)));
    const again = button("Restart", () => (stop(), seek(0)));
    const count = html("output");
    const picture = svg("svg", { class: "race-picture", role: "group", id: `race-${number}` });
    const handle = svg("g", { class: "start", tabindex: 0, role: "slider" });
    handle.append(svg("circle", { class: "reach", r: 18 }), svg("circle", { class: "dot", r: 7 }));
    handle.setAttribute("aria-label", "start of all paths; arrow keys move it");

    const rows = {};
    const table = html("table", { className: "race-table" });
    const head = html("tr");
    for (const title of ["optimizer", "learning rate η"]) head.append(html("th", { scope: "col", textContent: title }));
    const lossHead = html("th", { scope: "col" });
    head.append(lossHead);
    const body = html("tbody");
    for (const name of names) {
      const { label, free } = OPTIMIZERS[name];
      const shown = html("input", { type: "checkbox", checked: true });
      const swatch = svg("svg", { class: "swatch", width: 34, height: 10, "aria-hidden": "true" });
      swatch.append(svg("line", { x1: 1, x2: 33, y1: 5, y2: 5, ...look(name) }));
      const eta = free ? null : range(`learning rate of ${label}`, -5, 2, 0.0625, -2);
      const rate = html("output", { textContent: free ? "none" : "" });
      const loss = html("td");
      const first = html("th", { scope: "row" }, html("label", {}, shown, swatch, label));
      body.append(html("tr", {}, first, html("td", {}, ...(eta ? [eta] : []), rate), loss));
      rows[name] = { shown, eta, rate, loss };
      shown.addEventListener("change", paint);
      eta?.addEventListener("input", run);
    }
    table.append(html("caption", { textContent: "Loss of every optimizer at the step shown." }), html("thead", {}, head), body);
    const numbers = {
      gamma: ["γ", "momentum and Nesterov", 0.99],
      beta: ["β", "RMSProp", 0.99],
      beta1: ["β₁", "Adam", 0.99],
      beta2: ["β₂", "Adam", 0.999],
    };
    const sliders = html("div", { className: "race-controls race-numbers" });
    for (const [key, [symbol, whose, max]] of Object.entries(numbers)) {
      const input = range(`${symbol} of ${whose}`, 0, max, key === "beta2" ? 0.001 : 0.01, plain[key]);
      const value = html("output");
      input.addEventListener("input", run);
      sliders.append(html("label", {}, html("span", { textContent: symbol }), input, value));
      numbers[key] = { input, value };
    }

    // All paths anew: after a change of the start, the surface or a number.
    function run() {
      const given = {};
      for (const [key, { input, value }] of Object.entries(numbers)) {
        given[key] = Number(input.value);
        value.textContent = text(given[key]);
      }
      for (const name of names) {
        const { eta, rate } = rows[name];
        if (eta) {
          given.eta = 10 ** Number(eta.value);
          rate.textContent = text(given.eta, 2);
          eta.setAttribute("aria-valuetext", rate.textContent);
        }
        paths[name] = path(surface, name, start, steps, given);
      }
      const where = `w₁ = ${text(start[0])}, w₂ = ${text(start[1])}`;
      handle.setAttribute("aria-valuenow", start[0]);
      handle.setAttribute("aria-valuetext", where);
      const what = `Paths of ${names.length} optimizers on the surface ${surface} from ${where}, and their losses`;
      picture.setAttribute("aria-label", `${what}; the table below has the numbers`);
      paint();
    }

    // The paths up to step t.
    function paint() {
      if (!map) return;
      const { f, low, high } = SURFACES[surface];
      const level = (w) =>
        low === undefined ? Math.log10(Math.max(f(w), FLOOR)) : Math.min(Math.max(f(w), low - 1), high + 1);
      map.paths.replaceChildren();
      map.losses.replaceChildren();
      for (const name of names) {
        const points = paths[name].slice(0, t + 1);
        const end = points.at(-1);
        rows[name].loss.textContent = lossText(f(end));
        if (!rows[name].shown.checked) continue;
        const finite = points.filter((w) => w.every(Number.isFinite));
        const track = finite.map(([a, b]) => [near(map.x(a)), near(map.y(b))]);
        const curve = finite.map((w, k) => [map.toTime(k), map.toLevel(level(w))]);
        const [cx, cy] = track.at(-1);
        map.paths.append(svg("polyline", { class: "path", ...look(name), points: line(track) }));
        map.paths.append(svg("circle", { class: "runner", r: 4, fill: look(name).stroke, cx, cy }));
        map.losses.append(svg("polyline", { class: "path", ...look(name), points: line(curve) }));
      }
      map.losses.append(svg("line", { class: "cursor", x1: map.toTime(t), x2: map.toTime(t), y1: 0, y2: 1000 }));
      handle.setAttribute("transform", `translate(${map.x(start[0])} ${map.y(start[1])})`);
      lossHead.textContent = `loss after ${t} steps`;
      count.textContent = `step ${t}`;
      time.value = t;
      time.setAttribute("aria-valuetext", `step ${t} of ${steps}`);
    }

    // Axes and contours: after a change of the surface or the width.
    function draw() {
      const width = Math.max(Math.floor(picture.clientWidth || place.clientWidth), 260);
      const { box, least, low, high } = SURFACES[surface];
      const wide = width > 520;
      const [w, h] = wide ? [Math.floor(width * 0.52) - 40, 300] : [width - 46, 270];
      picture.setAttribute("viewBox", `0 0 ${width} ${wide ? 350 : 620}`);
      picture.setAttribute("height", wide ? 350 : 620);
      picture.replaceChildren();
      const tick = (v) => [v, text(v)];
      const field = panel(picture, {
        left: 36,
        top: 26,
        width: w,
        height: h,
        xs: box[0],
        ys: box[1],
        title: "paths, w₂ against w₁",
        xTicks: whole(box[0]).map(tick),
        yTicks: whole(box[1]).map(tick),
      });
      field.group.append(svg("path", { class: "contour", d: contours(SURFACES[surface], field.x, field.y) }));
      if (least) {
        const cross = `M${field.x(least[0]) - 6} ${field.y(least[1])}h12m-6 -6v12`;
        field.group.append(svg("path", { class: "least", d: cross }));
      }
      const powers = [-8, -6, -4, -2, 0, 2].map((k) => [k, `1e${k}`.replace("-", "−")]);
      const curves = panel(picture, {
        left: wide ? w + 36 + 52 : 36,
        top: wide ? 26 : 26 + h + 54,
        width: wide ? width - w - 36 - 52 - 12 : w,
        height: wide ? h : 230,
        xs: [0, steps],
        ys: low === undefined ? [-9, 3] : [low, high],
        title: "loss against steps",
        xTicks: [0, steps / 2, steps].map(tick),
        yTicks: low === undefined ? powers : [-2, -1, 0, 1, 2].map(tick),
      });
      const layer = svg("g");
      field.group.append(layer);
      picture.append(handle);
      const losses = curves.group.appendChild(svg("g"));
      map = { ...field, paths: layer, losses, toTime: curves.x, toLevel: curves.y };
      paint();
    }

    const inside = (v, [low, high]) => Math.min(Math.max(v, low), high);
    function move(a, b) {
      const { box } = SURFACES[surface];
      start = [inside(a, box[0]), inside(b, box[1])];
      run();
    }
    function follow(event) {
      const corner = picture.getBoundingClientRect();
      const at = [map.toX(event.clientX - corner.left), map.toY(event.clientY - corner.top)];
      const { box } = SURFACES[surface];
      if (at.every((v, i) => v >= box[i][0] && v <= box[i][1]) || event.type === "pointermove") move(...at);
    }
    function choose() {
      stop();
      surface = choice.value;
      const given = setup.surfaces?.[surface] ?? {};
      start = given.start ?? SURFACES[surface].box.map(([low, high]) => low + 0.2 * (high - low));
      for (const name of names) if (rows[name].eta) rows[name].eta.value = Math.log10(given.eta?.[name] ?? plain.eta);
      run();
      draw();
    }
    function seek(to) {
      t = to;
      paint();
    }
    function begin() {
      if (still.matches) return seek(steps); // who asked for less motion sees the end at once
      if (t >= steps) seek(0);
      [playing, before] = [requestAnimationFrame(tick), 0];
      play.textContent = "Pause";
    }
    function tick(now) {
      before ||= now;
      const due = Math.floor(((now - before) / 1000) * SPEED);
      if (due > 0) {
        before += (due / SPEED) * 1000;
        seek(Math.min(t + due, steps));
      }
      if (t >= steps) return stop();
      playing = requestAnimationFrame(tick);
    }
    function stop() {
      cancelAnimationFrame(playing);
      playing = 0;
      play.textContent = "Play";
    }

    choice.addEventListener("change", choose);
    time.addEventListener("input", () => (stop(), seek(Number(time.value))));
    picture.addEventListener("click", (event) => handle.contains(event.target) || follow(event));
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      handle.focus();
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => event.buttons && follow(event));
    handle.addEventListener("keydown", (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
      if (!dx && !dy) return;
      event.preventDefault();
      const [across, up] = SURFACES[surface].box.map(([low, high]) => ((high - low) / 100) * (event.shiftKey ? 10 : 1));
      move(start[0] + dx * across, start[1] + dy * up);
    });

    const controls = html("div", { className: "race-controls" });
    controls.append(html("label", {}, html("span", { textContent: "surface" }), choice));
    controls.append(html("span", { className: "race-buttons" }, play, step, again));
    controls.append(html("label", { className: "race-time" }, time, count));
    place.append(controls, picture, table, sliders);
    document.getElementById(place.dataset.replaces)?.querySelector("svg, img")?.replaceWith(place);
    choice.value = surface in SURFACES ? surface : Object.keys(SURFACES)[0];
    choose();
    new ResizeObserver(draw).observe(place);
  }

  const value = (surface, w) => SURFACES[surface].f(w);
  window.dnnbookRace = { path, value, surfaces: Object.keys(SURFACES), optimizers: Object.keys(OPTIMIZERS) };
  document.querySelectorAll(".race").forEach(build);
})();
