// Colours, and the charts that have to be drawn anew when they change.

// Okabe and Ito's palette, which people with any colour vision tell apart, without its yellow (too
// light on white) and with the text's own colour for its black; lighter tones on a dark page.
const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const DARK = ['#4f9fe6', '#f28a45', '#35c79b', '#e5a0c8', '#f0bd3a', '#a5dcff'];
// Series after the palette's end begin it again with another dash.
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
// From few to many, for heat maps: one hue, so that lightness alone tells the order.
const LIGHT_RAMP = [[222, 235, 247], [107, 174, 214], [8, 48, 107]];
const DARK_RAMP = [[24, 52, 84], [58, 130, 190], [214, 236, 255]];

const darkMedia = window.matchMedia('(prefers-color-scheme: dark)');
let printing = false;

function isDark() {
  return darkMedia.matches && !printing;
}

function cssColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
}

function seriesColour(index) {
  const palette = [...(isDark() ? DARK : LIGHT), cssColour('text')];
  return palette[index % palette.length];
}

function seriesDash(index) {
  return DASHES[Math.floor(index / (LIGHT.length + 1)) % DASHES.length];
}

function transparent(colour, alpha) {
  return colour + Math.round(alpha * 255).toString(16).padStart(2, '0');
}

/** The colour of a share from 0 to 1, as [red, green, blue]. */
function rampColour(share) {
  const ramp = isDark() ? DARK_RAMP : LIGHT_RAMP;
  const at = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
  const below = Math.min(Math.floor(at), ramp.length - 2);
  return ramp[below].map((low, i) => Math.round(low + (at - below) * (ramp[below + 1][i] - low)));
}

function rampGradient() {
  return 'linear-gradient(to right, ' +
      [0, 0.25, 0.5, 0.75, 1].map((share) => `rgb(${rampColour(share)})`).join(', ') + ')';
}

// Everything drawn: {draw(), chart}.
const drawings = [];

/** Registers what drawAll() draws, with the present colours and state. */
function addDrawing(draw) {
  const drawing = {draw, chart: null};
  drawings.push(drawing);
  return drawing;
}

function drawAll() {
  for (const drawing of drawings) drawing.draw(drawing);
}

/** Draws a Chart.js chart into a box; the one that was there goes. */
function drawChart(drawing, box, config) {
  if (drawing.chart) drawing.chart.destroy();
  const canvas = element('canvas', {role: 'img', 'aria-label': config.description});
  box.replaceChildren(canvas);
  Chart.defaults.color = cssColour('muted');
  Chart.defaults.borderColor = cssColour('line');
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  drawing.chart = new Chart(canvas, {
    ...config,
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      devicePixelRatio: printing ? 3 : window.devicePixelRatio,
      ...config.options,
    },
  });
}

function watchTheme() {
  darkMedia.addEventListener('change', drawAll);
  const print = (on) => {
    printing = on;
    document.documentElement.classList.toggle('print', on);
    drawAll();
  };
  window.addEventListener('beforeprint', () => print(true));
  window.addEventListener('afterprint', () => print(false));
}
