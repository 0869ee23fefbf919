// Tables of the class "sortable": a click on a column's head sorts by it. Without this script they are plain tables.
(() => {
  const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const plain = (text) =>
    text
      .replace(/ × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)/, (_, power) => "e" + [...power].map((c) => (c === "⁻" ? "-" : SUPERSCRIPT.indexOf(c))).join(""))
      .trim();
  // Equation numbers such as (1.10) sort by chapter, then by place.
  const key = (cell) => {
    const text = plain(cell.textContent);
    const place = text.match(/^\((\d+)\.(\d+)\)$/);
    if (place) return +place[1] * 1e6 + +place[2];
    const number = Number(text.replace(/[()]/g, ""));
    return text !== "" && !Number.isNaN(number) ? number : text === "–" ? null : text;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...(head.querySelector("p") ?? head).childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [key(row.cells[column]), row]);
        rows.sort(([a], [b]) => (a === null || b === null ? compare(a, b) : down ? compare(b, a) : compare(a, b)));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }
})();
