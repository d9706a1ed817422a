"use strict";
// What there is to see was laid out by explore.py; text is only ever set as text.
const data = JSON.parse(document.getElementById("data").textContent);
const [height, width] = data.shape;
const every = d3.range(data.count);
// Colours that stay apart for colour-blind eyes (Paul Tol's muted set), repeated where there are more classes
const COLOURS = ["#4477aa", "#cc6677", "#117733", "#ddcc77", "#88ccee", "#aa4499", "#44aa99", "#999933", "#882255", "#777777"];
const SHOWN = 400; // tiles of a gallery at first

const className = (i) => (data.names.length ? data.names[i] : String(i));
const categoryName = (k) => {
  if (data.kind === "class") return className(k);
  return data.cluster_classes.length ? `${k} (${data.cluster_classes[k]})` : String(k);
};
const percent = (p) => `${(100 * p).toFixed(p > 0.999 && p < 1 ? 2 : 1)} %`;
const wrong = (i) => data.kind === "class" && data.labels && data.categories && data.labels[i] >= 0 && data.labels[i] !== data.categories[i];
const surest = (numbers) => (data.probabilities ? d3.sort(numbers, (a, b) => d3.descending(data.probabilities[a], data.probabilities[b])) : numbers);

const sheets = {};
function load(name) {
  if (!data[name]) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => { sheets[name] = image; resolve(); };
    image.onerror = () => reject(new Error(`the sheet of ${name} cannot be read`));
    image.src = data[name];
  });
}

function picture(name, number, label) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  canvas.dataset.sheet = name;
  canvas.dataset.number = number;
  const x = (number % data.columns) * width, y = Math.floor(number / data.columns) * height;
  canvas.getContext("2d").drawImage(sheets[name], x, y, width, height, 0, 0, width, height);
  return canvas;
}

function described(i) {
  const parts = [data.files ? data.files[i] : `image ${i}`];
  if (data.labels && data.labels[i] >= 0) parts.push(`label ${className(data.labels[i])}`);
  if (data.categories) parts.push(`${data.kind} ${categoryName(data.categories[i])}`);
  return parts.join(", ");
}

// the panel that stays in the window
function detail(i, sample) {
  const panel = d3.select(".detail");
  panel.selectAll("*").remove();
  const figure = (canvas, text) => {
    const made = panel.append("figure");
    made.append(() => canvas);
    made.append("figcaption").text(text);
  };
  figure(picture("images", i, described(i)), "image");
  const drawn = data.reconstructed.indexOf(i);
  if (drawn >= 0) figure(picture("reconstructions", drawn, `reconstruction of image ${i}`), "drawn from its code");
  if (sample !== undefined) figure(picture("plane", sample, "sample at the pointer"), "drawn at the pointer");
  const list = panel.append("dl");
  const row = (name, text) => { list.append("dt").text(name); list.append("dd").text(text); };
  row("number", i);
  if (data.files) row("file", data.files[i]);
  if (data.labels) row("label", data.labels[i] >= 0 ? className(data.labels[i]) : "none");
  if (data.categories) row(data.kind, `${categoryName(data.categories[i])}, ${percent(data.probabilities[i])}${wrong(i) ? ", wrong" : ""}`);
  if (data.codes) row("code", data.codes[i].map((value) => value.toFixed(2)).join(", "));
}

let pick = detail; // shows an image, and where in the map it is, where there is one

function drawMap() {
  const across = 760, down = 620, margin = 12;
  const xs = data.codes.map((c) => c[0]), ys = data.codes.map((c) => c[1]);
  const reach = (values) => { const [a, b] = d3.extent(values), pad = 0.04 * (b - a || 1); return [a - pad, b + pad]; };
  const x = d3.scaleLinear(reach(data.plane ? [...xs, ...data.plane_at] : xs), [margin, across - margin]);
  const y = d3.scaleLinear(reach(data.plane ? [...ys, ...data.plane_at] : ys), [down - margin, margin]);
  const kinds = data.labels || data.categories || every.map(() => 0);
  const svg = d3.select("#map .chart").append("svg").attr("viewBox", `0 0 ${across} ${down}`)
    .attr("tabindex", 0).attr("role", "application").attr("aria-label", "map of codes; arrow keys step from image to image");
  const layer = svg.append("g");
  const points = layer.selectAll("circle").data(every).join("circle")
    .attr("cx", (i) => x(xs[i])).attr("cy", (i) => y(ys[i])).attr("r", 4)
    .attr("fill", (i) => (kinds[i] < 0 ? "#bbbbbb" : COLOURS[kinds[i] % COLOURS.length]));
  // not in the map, where text shrinks with it
  d3.select("#map .chart").append("p").attr("class", "axes").selectAll("span").data(data.axes).join("span")
    .text((axis, n) => `${"→↑"[n]} ${axis}`);
  const nearest = d3.Delaunay.from(every, (i) => x(xs[i]), (i) => y(ys[i]));
  let view = d3.zoomIdentity, picked = -1;
  const resize = () => points.attr("r", (i) => (i === picked ? 8 : 4) / Math.sqrt(view.k) / (view.k > 1 ? Math.sqrt(view.k) : 1))
    .attr("stroke-width", (i) => (i === picked ? 2.5 : 0.5) / view.k);
  const zoom = d3.zoom().scaleExtent([1, 40]).translateExtent([[0, 0], [across, down]]).on("zoom", (event) => {
    view = event.transform;
    layer.attr("transform", view);
    resize();
  });
  svg.call(zoom);
  const sampleAt = (px, py) => {
    if (!data.plane) return undefined;
    const index = (value) => d3.minIndex(data.plane_at, (at) => Math.abs(at - value));
    return index(x.invert(px)) * data.plane_at.length + index(y.invert(py));
  };
  pick = (i, sample) => {
    picked = i;
    points.classed("picked", (j) => j === i);
    resize();
    detail(i, sample === undefined ? sampleAt(x(xs[i]), y(ys[i])) : sample);
  };
  const point = (event) => {
    const [px, py] = view.invert(d3.pointer(event, svg.node()));
    pick(nearest.find(px, py), sampleAt(px, py));
  };
  svg.on("pointermove", point).on("pointerdown.pick", point);
  svg.on("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) pick((Math.max(picked, step > 0 ? -1 : 0) + step + data.count) % data.count);
    else if (event.key === "+" || event.key === "=") svg.call(zoom.scaleBy, 1.5);
    else if (event.key === "-") svg.call(zoom.scaleBy, 1 / 1.5);
    else return;
    event.preventDefault();
  });
  drawLegend(points, kinds);
  document.getElementById("map").hidden = false;
}

function drawLegend(points, kinds) {
  const present = d3.sort(new Set(kinds.filter((kind) => kind >= 0)), d3.ascending);
  if (present.length < 2) return;
  const legend = d3.select("#map .chart").append("div").attr("class", "legend");
  const buttons = legend.selectAll("button").data(present).join("button").attr("type", "button").attr("aria-pressed", false);
  buttons.append("svg").attr("viewBox", "0 0 10 10").append("circle").attr("cx", 5).attr("cy", 5).attr("r", 5)
    .attr("fill", (kind) => COLOURS[kind % COLOURS.length]);
  buttons.append("span").text((kind) => ` ${data.labels ? className(kind) : categoryName(kind)}`);
  buttons.on("click", function (_, kind) {
    const alone = this.getAttribute("aria-pressed") !== "true";
    buttons.attr("aria-pressed", (other) => alone && other === kind);
    points.classed("faded", (i) => alone && kinds[i] !== kind);
  });
}

// chosen images as tiles, the surest first
function showGallery(title, numbers, focus) {
  const section = d3.select("#gallery");
  section.select("h2").text(title);
  const tiles = section.select(".tiles");
  tiles.selectAll("*").remove();
  const add = (some) => {
    for (const i of some) {
      const button = tiles.append("button").attr("type", "button").attr("data-number", i).attr("title", described(i)).on("click", () => pick(i));
      button.append(() => picture("images", i, described(i)));
      if (data.categories) button.append("span").text(`${wrong(i) ? `${className(data.labels[i])} → ` : ""}${categoryName(data.categories[i])} ${percent(data.probabilities[i])}`);
    }
  };
  add(numbers.slice(0, SHOWN));
  if (numbers.length > SHOWN) {
    const more = tiles.append("button").attr("type", "button").text(`${numbers.length - SHOWN} more`);
    more.on("click", () => { more.remove(); add(numbers.slice(SHOWN)); });
  }
  section.node().hidden = false;
  if (focus) { section.node().focus({ preventScroll: true }); section.node().scrollIntoView({ block: "nearest" }); }
}

function drawConfusion() {
  const known = every.filter((i) => data.labels[i] >= 0);
  const labels = d3.max(known, (i) => data.labels[i]) + 1, rows = Math.max(labels, data.names.length);
  const section = d3.select("#confusion"), classes = data.kind === "class";
  const mistakes = surest(known.filter(wrong));
  section.select("h2").text(classes ? "Which is taken for which" : "Labels and clusters");
  section.select("p").text(classes
    ? `Rows are labels, columns what the model says: ${mistakes.length} of ${known.length} images are wrong. Click for the images.`
    : "Rows are labels, columns clusters. Click for the images.");
  if (classes && mistakes.length) {
    const all = section.insert("button", ".wide").attr("type", "button").attr("id", "mistakes").text("All mistakes, the surest first");
    all.on("click", () => showGallery(`All ${mistakes.length} mistakes, the surest first`, mistakes, true));
  }
  section.node().hidden = false;
  if (classes && mistakes.length) showGallery(`All ${mistakes.length} mistakes, the surest first`, mistakes, false);
  if (rows * data.category_count > 10000) {  // more buttons than a page bears
    section.select("p").text(`${classes ? `${mistakes.length} of ${known.length} images are wrong. ` : ""}There are too many classes for a table.`);
    return;
  }
  const cells = d3.range(rows).map(() => d3.range(data.category_count).map(() => []));
  for (const i of known) cells[data.labels[i]][data.categories[i]].push(i);
  const table = section.select(".wide").append("table");
  const head = table.append("tr");
  head.append("th").text(classes ? "label \\ says" : "label \\ cluster");
  d3.range(data.category_count).forEach((k) => head.append("th").attr("scope", "col").text(categoryName(k)));
  if (classes) head.append("th").attr("scope", "col").text("error");
  cells.forEach((row, label) => {
    const line = table.append("tr"), total = d3.sum(row, (cell) => cell.length);
    line.append("th").attr("scope", "row").text(className(label));
    row.forEach((cell, k) => {
      const button = line.append("td").append("button").attr("type", "button").text(cell.length)
        .attr("data-label", label).attr("data-category", k).property("disabled", !cell.length);
      const share = cell.length / Math.max(total, 1), right = classes && label === k;
      if (cell.length) button.style("background", `color-mix(in srgb, ${right ? "#44aa99" : "#cc6677"} ${10 + 60 * Math.sqrt(share)}%, var(--card))`);
      const said = `label ${className(label)}, ${classes ? "taken for" : "cluster"} ${categoryName(k)}: ${cell.length} images`;
      button.attr("aria-label", said).on("click", () => showGallery(said, surest(cell), true));
    });
    if (classes) line.append("th").text(total ? percent(1 - row[label].length / total) : "–");
  });
}

function drawWall() {
  const section = d3.select("#wall"), word = data.kind === "class" ? "Classes" : "Clusters";
  section.select("h2").text(word);
  const members = d3.group(every, (i) => data.categories[i]);
  for (const k of d3.range(data.category_count)) {
    const own = surest(members.get(k) || []), row = section.select(".rows").append("div").attr("data-category", k);
    const title = row.append("h3").text(`${categoryName(k)} `);
    const mixed = data.labels ? d3.sort(d3.rollups(own.filter((i) => data.labels[i] >= 0), (v) => v.length, (i) => data.labels[i]), (v) => -v[1]) : [];
    const said = mixed.slice(0, 4).map(([label, n]) => `${n} × ${className(label)}`).join(", ");
    title.append("small").text(`${own.length} images${said ? `: ${said}` : ""}${mixed.length > 4 ? ", …" : ""}`);
    const pair = row.append("div").attr("class", "pair"), left = pair.append("div").attr("class", "members");
    for (const i of own.slice(0, 10)) {
      left.append("button").attr("type", "button").attr("data-number", i).attr("title", described(i)).on("click", () => pick(i))
        .append(() => picture("images", i, described(i)));
    }
    if (own.length > 10) {
      left.append("button").attr("type", "button").text(`all ${own.length}`)
        .on("click", () => showGallery(`${data.kind} ${categoryName(k)}: ${own.length} images, the surest first`, own, true));
    }
    if (data.rows) {
      const right = pair.append("div").attr("class", "samples");
      d3.range(data.per_row).forEach((n) => right.append(() => picture("rows", k * data.per_row + n, `sample of ${data.kind} ${k}`)));
    }
  }
  section.node().hidden = false;
  d3.select(".skip").text(`Skip to the ${word.toLowerCase()}`).node().hidden = false;
}

Promise.all(["images", "reconstructions", "rows", "plane"].map(load)).then(() => {
  const whole = data.whole > data.count ? ` of ${data.whole.toLocaleString("en")}` : "";
  d3.select("#about").text(`${data.count.toLocaleString("en")}${whole} validation images; nothing leaves this page.`);
  if (data.codes) drawMap();
  if (data.labels && data.categories) drawConfusion();
  if (data.categories) drawWall();
  if (!data.codes && !data.categories) showGallery("Images", every, false);
  pick(0);
  document.body.dataset.ready = "yes";
});
