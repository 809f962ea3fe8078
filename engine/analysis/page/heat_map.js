// Heat maps on a canvas: cells in columns and rows, bars above them, ticks, and a tip at the
// pointer.

// The bars above the cells, in CSS pixels from the top; their title stands over them.
const BARS_TOP = 18;
const BARS_BOTTOM = 72;

/** Round numbers, up to about `most` of them, among the n from `first` on. */
function roundNumbers(n, most, first) {
  const rough = n / most;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = Math.max(1, [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough));
  const start = Math.ceil(first / step) * step;
  return Array.from({length: Math.ceil((first + n - start) / step)}, (_, i) => start + i * step);
}

/** The cells as a small picture, one pixel each. */
function cellPicture(map) {
  const picture = document.createElement('canvas');
  picture.width = map.columns;
  picture.height = map.rows;
  const context = picture.getContext('2d');
  const image = context.createImageData(map.columns, map.rows);
  for (let row = 0; row < map.rows; ++row) {
    for (let column = 0; column < map.columns; ++column) {
      const value = map.value(column, row);
      if (!(value > 0)) continue;  // nothing there: the page's own background
      const [red, green, blue] = rampColour(value / map.maximum);
      image.data.set([red, green, blue, 255], 4 * (row * map.columns + column));
    }
  }
  context.putImageData(image, 0, 0);
  return picture;
}

/** A picture of at most this many pixels: smaller cells are averaged, others keep their edges. */
function withoutDetail(picture, width, height) {
  if (picture.width <= width && picture.height <= height) return picture;
  const smaller = document.createElement('canvas');
  smaller.width = Math.min(picture.width, Math.round(width));
  smaller.height = Math.min(picture.height, Math.round(height));
  const context = smaller.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, 0, 0, smaller.width, smaller.height);
  return smaller;
}

/** Where the cells and the bars above them lie, in CSS pixels. */
function mapLayout(map, width, context) {
  const labels = map.rowTicks.map((tick) => context.measureText(tick.name).width);
  const left = Math.ceil(Math.min(Math.max(...labels, 20), width / 3)) + 26;
  const top = map.bars ? BARS_BOTTOM + 8 : 6;
  const height = Math.round(Math.min(Math.max(map.rows * map.rowHeight, 60), printing ? 280 : 420));
  return {left, top, width: Math.max(width - left - 16, 50), height};
}

function drawMapText(map, layout, context) {
  const x = (column) => layout.left + (column + 0.5) / map.columns * layout.width;
  const y = (row) => layout.top + (row + 0.5) / map.rows * layout.height;
  context.fillStyle = cssColour('muted');
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (const tick of map.rowTicks) {
    context.fillText(tick.name, layout.left - 6, y(tick.at), layout.left - 26);
  }
  context.textBaseline = 'top';
  context.textAlign = 'center';
  const bottom = layout.top + layout.height;
  for (const tick of map.columnTicks) context.fillText(tick.name, x(tick.at), bottom + 5);
  context.fillText(map.xTitle, layout.left + layout.width / 2, bottom + 21);
  if (map.bars) {
    context.textAlign = 'left';
    context.fillText(map.barsTitle, layout.left, 1);
    context.textAlign = 'right';
    context.fillText(showNumber(Math.max(...map.bars)), layout.left - 6, BARS_TOP - 6);
    context.textBaseline = 'bottom';
    context.fillText('0', layout.left - 6, BARS_BOTTOM + 3);
  }
  context.save();
  context.textAlign = 'center';
  context.textBaseline = 'top';
  context.translate(2, layout.top + layout.height / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(map.yTitle, 0, 0);
  context.restore();
}

function drawMapBars(map, layout, context) {
  const largest = Math.max(...map.bars);
  const width = layout.width / map.columns;
  context.fillStyle = seriesColour(0);
  map.bars.forEach((bar, column) => {
    const height = bar / largest * (BARS_BOTTOM - BARS_TOP);
    context.fillRect(layout.left + column * width, BARS_BOTTOM - height,
        Math.max(width - (width > 4 ? 1 : 0), 0.5), height);
  });
}

function drawMap(canvas, map) {
  const ratio = printing ? 3 : window.devicePixelRatio || 1;
  const context = canvas.getContext('2d');
  const width = canvas.parentNode.clientWidth;
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  context.font = font;
  const layout = mapLayout(map, width, context);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round((layout.top + layout.height + 40) * ratio);
  canvas.style.height = canvas.height / ratio + 'px';
  context.scale(ratio, ratio);
  context.font = font;
  const picture = withoutDetail(cellPicture(map), layout.width * ratio, layout.height * ratio);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, layout.left, layout.top, layout.width, layout.height);
  context.strokeStyle = cssColour('line');
  context.strokeRect(layout.left - 0.5, layout.top - 0.5, layout.width + 1, layout.height + 1);
  if (map.bars) drawMapBars(map, layout, context);
  drawMapText(map, layout, context);
  return layout;
}

/**
 * A heat map in a box of its own. makeMap() gives {columns, rows, value(column, row), maximum,
 * rowHeight, xTitle, yTitle, columnTicks, rowTicks: [{at, name}], bars, barsTitle,
 * tip(column, row), scale, showMaximum, description} for the present state; where all cells are
 * alike there is no showMaximum.
 */
function addHeatMap(parent, makeMap) {
  const canvas = element('canvas', {role: 'img'});
  const tip = element('div', {class: 'tip', hidden: true});
  const ramp = element('div', {class: 'ramp'});
  parent.append(element('div', {class: 'map'}, canvas, tip), ramp);
  let map = null;
  let layout = null;
  const drawing = addDrawing(() => {
    map = makeMap();
    canvas.setAttribute('aria-label', map.description);
    layout = drawMap(canvas, map);
    const gradient = element('i', {});
    gradient.style.background = rampGradient();
    ramp.replaceChildren(element('span', {}, map.scale),
        ...(map.showMaximum ? [element('span', {}, '0'), gradient, map.showMaximum] : []));
  });
  let drawnWidth = 0;
  new ResizeObserver(() => {
    const width = canvas.parentNode.clientWidth;
    if (!layout || width === drawnWidth) return;
    drawnWidth = width;
    drawing.draw();
  }).observe(canvas.parentNode);
  canvas.addEventListener('mousemove', (event) => {
    const column = Math.floor((event.offsetX - layout.left) / layout.width * map.columns);
    const row = Math.floor((event.offsetY - layout.top) / layout.height * map.rows);
    const inside = column >= 0 && column < map.columns && row < map.rows &&
        (row >= 0 || (map.bars && event.offsetY >= 0));
    tip.hidden = !inside;
    if (!inside) return;
    tip.textContent = map.tip(column, row);
    const room = canvas.parentNode.clientWidth - tip.offsetWidth;
    tip.style.left = Math.max(0, Math.min(event.offsetX + 14, room)) + 'px';
    tip.style.top = event.offsetY + 14 + 'px';
  });
  canvas.addEventListener('mouseleave', () => tip.hidden = true);
}
