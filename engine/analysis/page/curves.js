// Curves of a metric over rounds, seconds or bytes, one for each group of runs, with bands over
// seeds.

const AXES = {
  round: {title: 'round', show: showNumber},
  seconds: {title: 'training time', show: showSeconds},
  bytes: {title: 'bytes sent, both ways', show: showBytes},
};

function metricLabel(key) {
  const metric = report.metrics.find((each) => each.key === key);
  return metric ? metric.label : key.replace('_', ' ');
}

/** Exponential moving average, without the start's bias towards 0; null where there is nothing. */
function smoothed(values, weight) {
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}

/** The lower and upper end of a curve's band, or null if it has none. */
function bandOf(curve) {
  if (!curve.runs || state.band === 'none') return null;
  if (state.band === 'range') return [curve.min, curve.max];
  return [curve.mean.map((middle, i) => middle - curve.std[i]),
    curve.mean.map((middle, i) => middle + curve.std[i])];
}

/** The points that the axes can show. */
function pointsOf(xs, ys, logX, logY) {
  const points = [];
  for (let i = 0; i < xs.length; ++i) {
    const y = logY && ys[i] !== null && ys[i] <= 0 ? null : ys[i];
    if (!logX || xs[i] > 0) points.push({x: xs[i], y, index: i});
  }
  return points;
}

function curveDatasets(group, number, metric, logY) {
  const curve = group.curves[metric];
  if (!curve || state.hidden.includes(group.label)) return [];
  const xs = group.grids[curve.grid][state.x];
  const colour = seriesColour(number);
  const plain = {pointRadius: 0, pointHitRadius: 0, spanGaps: true, borderWidth: 0};
  const points = (values) =>
      pointsOf(xs, smoothed(values, state.smoothing), state.logX, logY);
  const datasets = [];
  const band = bandOf(curve);
  if (band) {
    datasets.push({...plain, data: points(band[0]), fill: false, order: 2});
    datasets.push({...plain, data: points(band[1]), fill: '-1', order: 2,
      backgroundColor: transparent(colour, 0.18)});
  }
  if (state.each) {
    for (const values of curve.each || []) {
      datasets.push({...plain, data: points(values), fill: false, order: 1, borderWidth: 0.8,
        borderColor: transparent(colour, 0.7)});
    }
  }
  // Paler where not all runs of the group have got to.
  const missing = (context) => curve.runs && curve.runs[context.p1.raw.index] < group.runs.length;
  datasets.push({
    label: group.label,
    data: points(curve.mean),
    curve,
    of: group.runs.length,
    fill: false,
    order: 0,
    spanGaps: true,
    borderColor: colour,
    backgroundColor: colour,
    borderWidth: 1.8,
    borderDash: seriesDash(number),
    pointRadius: xs.length > 40 ? 0 : 2,
    pointHitRadius: 6,
    segment: {borderColor: (context) => missing(context) ? transparent(colour, 0.4) : undefined},
  });
  return datasets;
}

/** "fedavg: 0.44 (0.43 to 0.45; sd 0.01; 3 runs)" */
function curveTip(item) {
  const {curve, label, of} = item.dataset;
  const at = item.raw.index;
  let text = `${label}: ${showNumber(curve.mean[at])}`;
  if (curve.runs) {
    const runs = curve.runs[at] < of ? `${curve.runs[at]} of ${plural(of, 'run')}` :
        plural(of, 'run');
    text += ` (${showNumber(curve.min[at])} to ${showNumber(curve.max[at])}, ` +
        `sd ${showNumber(Number(curve.std[at].toPrecision(2)))}, ${runs})`;
  }
  return text + (state.smoothing > 0 ? `; smoothed ${showNumber(item.raw.y)}` : '');
}

function axis(title, logarithmic, show) {
  return {
    type: logarithmic ? 'logarithmic' : 'linear',
    title: {display: true, text: title},
    ticks: {
      maxRotation: 0,
      autoSkipPadding: 12,
      callback(value) {
        // Of a decade's ticks 1, 2 and 5 have room.
        const lead = Number(value.toExponential()[0]);
        return logarithmic && ![1, 2, 5].includes(lead) ? null : show(Number(value.toPrecision(6)));
      },
    },
  };
}

/** A line chart with a tip that shows the series at the pointer. */
function lineChart(datasets, x, y, tips, description) {
  return {
    type: 'line',
    data: {datasets},
    description,
    options: {
      interaction: {mode: 'nearest', axis: 'x', intersect: false},
      scales: {x, y},
      plugins: {
        legend: {display: false},
        tooltip: {filter: (item) => item.dataset.label !== undefined, callbacks: tips,
          itemSort: (a, b) => b.raw.y - a.raw.y},
      },
    },
  };
}

function curveChart(metric, logY) {
  const datasets =
      report.groups.flatMap((group, number) => curveDatasets(group, number, metric, logY));
  const along = AXES[state.x];
  return lineChart(datasets, axis(along.title, state.logX, along.show),
      axis(metricLabel(metric), logY, showNumber),
      {title: (items) => items.length ? `${along.title} ${along.show(items[0].raw.x)}` : '',
        label: curveTip},
      `${metricLabel(metric)} by ${along.title}`);
}

/** Whether values span so far that only a logarithmic axis shows them; accuracies never do. */
function spansDecades(metric) {
  if (metric.includes('accuracy')) return false;
  const values = report.groups.flatMap((group) => (group.curves[metric] || {mean: []}).mean)
      .filter((value) => value !== null);
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  return low > 0 && values.reduce((a, b) => Math.max(a, b), 0) > 50 * low;
}

function swatch(number) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
  svg.setAttribute('width', 26);
  svg.setAttribute('height', 10);
  for (const [name, value] of Object.entries({x1: 1, x2: 25, y1: 5, y2: 5,
    'stroke': seriesColour(number), 'stroke-width': 2.5,
    'stroke-dasharray': seriesDash(number).join(' ')})) {
    line.setAttribute(name, value);
  }
  svg.append(line);
  return svg;
}

/** The legend, in which series are chosen. */
function drawLegend(list) {
  const toggle = (label, shown) => choose({hidden: shown ?
    state.hidden.filter((each) => each !== label) : [...state.hidden, label]});
  list.replaceChildren(...report.groups.map((group, number) => {
    const shown = !state.hidden.includes(group.label);
    const entry = checkbox(group.label, shown, (on) => toggle(group.label, on));
    entry.insertBefore(swatch(number), entry.lastChild);
    return element('li', {class: shown ? null : 'hidden'}, entry);
  }));
}

/** What the lines and bands of a chart are, as the end of its caption. */
function bandText() {
  const bands = {range: 'bands from the lowest to the highest run', none: 'no bands',
    std: 'bands of ± one standard deviation over runs'};
  const parts = [];
  if (report.groups.some((group) => group.runs.length > 1)) {
    parts.push(`means over runs that differ in their seeds alone, ${bands[state.band]}`);
  } else if (report.groups.length > 1) {
    parts.push('one run each, so no bands');
  }
  if (state.smoothing > 0) parts.push(`smoothed (moving average of weight ${state.smoothing})`);
  return parts.map((part, i) => (i ? '; ' : ': ') + part).join('');
}

function curveControls(changed) {
  const several = report.groups.some((group) => group.runs.length > 1);
  const set = (key) => (value) => changed({[key]: value});
  const logY = checkbox('log y', state.logY, set('logY'));
  const setMetric = (metric) => {
    changed({metric, logY: spansDecades(metric)});
    logY.querySelector('input').checked = state.logY;
  };
  return element('div', {class: 'controls'},
      select('metric', report.metrics.map((m) => ({value: m.key, title: m.label})), state.metric,
          setMetric),
      select('by', Object.entries(AXES).map(([value, each]) => ({value, title: each.title})),
          state.x, set('x')),
      checkbox('log x', state.logX, set('logX')),
      logY,
      slider('smoothing', 0.98, 0.02, state.smoothing, set('smoothing')),
      several ? select('band', [{value: 'range', title: 'lowest to highest'},
        {value: 'std', title: '± standard deviation'}, {value: 'none', title: 'none'}],
      state.band, set('band')) : null,
      several ? checkbox('each run', state.each, set('each')) : null,
      report.groups.length > 1 ? element('span', {},
          element('button', {type: 'button', click: () => choose({hidden: []})}, 'all'), ' ',
          element('button', {type: 'button',
            click: () => choose({hidden: report.groups.map((group) => group.label)})}, 'none')) :
          null);
}

// The metrics that have a small chart of their own, unless the large one shows them.
const SMALL = ['test_accuracy', 'test_loss', 'test_r2', 'train_loss', 'client_accuracy.mean',
  'client_accuracy.worst_tenth', 'client_loss.mean', 'update_norm'];

function addCurves() {
  if (!report.metrics.length) return;
  if (state.logY === null) state.logY = spansDecades(state.metric);
  const large = figure('');
  const legend = element('ul', {class: 'legend'});
  const small = element('div', {class: 'grid'});
  addSection('curves', 'Curves', curveControls(choose), large.figure, legend, small);
  const caption = large.figure.firstChild;
  addDrawing((drawing) => {
    drawLegend(legend);
    caption.textContent =
        `${metricLabel(state.metric)} by ${AXES[state.x].title}${bandText()}.`;
    drawChart(drawing, large.box, curveChart(state.metric, state.logY));
  });
  for (const key of SMALL.filter((each) => report.metrics.some((m) => m.key === each))) {
    const each = figure(metricLabel(key), 'small');
    small.append(each.figure);
    addDrawing((drawing) => {
      each.figure.hidden = key === state.metric;
      drawChart(drawing, each.box, curveChart(key, spansDecades(key)));
    });
  }
}
