// What a test asks of a page; evaluated inside it. Each returns a list of complaints.
(() => {
  const numbers = color => (color.match(/[\d.]+/g) || []).map(Number);
  const opacity = c => (c.length > 3 ? c[3] : 1);
  const over = (top, under) => [0, 1, 2].map(i => top[i] * opacity(top) + under[i] * (1 - opacity(top)));
  const light = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = c => 0.2126 * light(c[0]) + 0.7152 * light(c[1]) + 0.0722 * light(c[2]);
  const background = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      layers.push(numbers(getComputedStyle(e).backgroundColor));
      if (opacity(layers.at(-1)) === 1) break;
    }
    return layers.reduceRight((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const TEXT = ["p", "li", "td", "th", "pre", "pre span", "figcaption", "math mi", "h1", "h2", "summary", ".sd-badge"];

  // Text that stands out too little from what lies behind it (WCAG AA asks for 4.5).
  const contrast = () => {
    const found = new Set();
    for (const e of document.querySelectorAll(TEXT.map(t => "article " + t).join(","))) {
      if (!e.textContent.trim() || !e.getClientRects().length) continue;
      const behind = background(e), text = over(numbers(getComputedStyle(e).color), behind);
      const [high, low] = [luminance(text), luminance(behind)].sort((a, b) => b - a);
      const ratio = (high + 0.05) / (low + 0.05);
      if (ratio < 4.5) found.add(`${ratio.toFixed(2)} ${e.tagName}.${e.className} "${e.textContent.trim().slice(0, 30)}"`);
    }
    return [...found].slice(0, 8);
  };

  // What makes the page wider than its window.
  const overflow = () => {
    const room = document.documentElement.clientWidth, wide = document.documentElement.scrollWidth;
    if (wide <= room) return [];
    const culprits = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > room + 1);
    return [`the page is ${wide} wide, ${room} fit`, ...culprits.slice(0, 6).map(e => `${e.tagName}.${e.className}`)];
  };

  // Pictures without a text for those who do not see them.
  const unnamed = () => {
    const decorated = i => i.closest("a[aria-label], .navbar-brand");
    const images = [...document.querySelectorAll("img")].filter(i => !i.hasAttribute("alt") || (!i.alt && !decorated(i)));
    const drawings = [...document.querySelectorAll("article svg[role=img]")].filter(s => !s.getAttribute("aria-label"));
    return [...images.map(i => i.src), ...drawings.map(s => s.outerHTML.slice(0, 80))];
  };

  return { contrast, overflow, unnamed };
})()
