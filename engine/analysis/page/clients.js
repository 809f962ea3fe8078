// Sections about clients: how their own metrics are spread, who took part, what they hold.

const SPREAD = ['p5', 'p25', 'p50', 'p75', 'p95'];

/** The empirical distribution of clients' latest metric, a step curve for each group. */
function distributionChart() {
  const datasets = report.clients.groups
      .filter((each) => !state.hidden.includes(report.groups[each.group].label))
      .map((each) => {
        const colour = seriesColour(each.group);
        // The values are evenly spread over the order of all that were evaluated.
        const rank = (i) => 1 + i * (each.evaluated - 1) / Math.max(each.values.length - 1, 1);
        const points = each.values.map((x, i) => ({x, y: rank(i) / each.evaluated}));
        return {label: report.groups[each.group].label, borderColor: colour,
          backgroundColor: colour, borderDash: seriesDash(each.group), borderWidth: 1.8,
          pointRadius: 0, pointHitRadius: 6, stepped: each.evaluated < 100 ? 'before' : false,
          data: [{x: each.values[0], y: 0}, ...points]};
      });
  const of = report.clients.of;
  return lineChart(datasets, axis(`client's ${of}`, false, showNumber),
      axis('share of clients up to it', false, showNumber),
      {title: (items) => items.length ? `${of} ${showNumber(items[0].raw.x)}` : '',
        label: (item) => `${item.dataset.label}: ${showNumber(100 * item.raw.y)} % of clients`},
      `Distribution of clients' ${of}`);
}

/** A curve of means by round. */
function meansByRound(group, curve) {
  return group.grids[curve.grid].round.map((x, i) => ({x, y: curve.mean[i]}));
}

/** A group's percentiles over clients by round, as bands around the median. */
function fanChart(metric, group) {
  const curves = SPREAD.map((part) => group.curves[`${metric}.${part}`]);
  if (curves.some((curve) => !curve)) return null;
  const colour = seriesColour(report.groups.indexOf(group));
  const line = (part, more) => ({
    label: part, pointRadius: 0, borderWidth: 0, fill: false, spanGaps: true,
    data: meansByRound(group, group.curves[`${metric}.${part}`]), ...more});
  const worst = group.curves[`${metric}.worst_tenth`];
  const datasets = [
    line('p5'), line('p95', {fill: '-1', backgroundColor: transparent(colour, 0.15)}),
    line('p25'), line('p75', {fill: '-1', backgroundColor: transparent(colour, 0.3)}),
    line('p50', {borderColor: colour, borderWidth: 2}),
    ...(worst ? [line('worst_tenth', {borderColor: cssColour('text'), borderWidth: 1.2,
      borderDash: [4, 3]})] : []),
  ];
  const names = {p5: '5th percentile', p25: '25th percentile', p50: 'median',
    p75: '75th percentile', p95: '95th percentile', worst_tenth: 'mean of the worst tenth'};
  return lineChart(datasets, axis('round', false, showNumber),
      axis(metricLabel(metric), false, showNumber),
      {title: (items) => items.length ? `round ${items[0].raw.x}` : '',
        label: (item) => `${names[item.dataset.label]}: ${showNumber(item.raw.y)}`},
      `${metricLabel(metric)} over clients by round`);
}

/** The last point of every statistic over clients, means over a group's runs. */
function clientTable(metric) {
  const known = report.metrics.map((each) => each.key)
      .filter((key) => key.startsWith(metric + '.') && key !== metric + '.clients');
  const last = (group, key) => (group.curves[key] ? group.curves[key].mean.at(-1) : null);
  return table([
    {title: '', kind: 'text', cell: (group) => group.label},
    {title: 'clients', kind: 'number',
      cell: (group) => showNumber(last(group, metric + '.clients'))},
    ...known.map((key) => ({title: key.slice(metric.length + 1).replace('_', ' '), kind: 'number',
      cell: (group) => showDigits(last(group, key))})),
  ], report.groups.filter((group) => last(group, metric + '.p50') !== null));
}

function addClients() {
  const metric = ['client_accuracy', 'client_loss'].find((name) =>
      report.metrics.some((each) => each.key === name + '.p50'));
  const hasValues = report.clients.groups.length > 0;
  if (!metric && !hasValues) return;
  const parts = [];
  if (metric) {
    parts.push(element('p', {}, "On the clients' own examples at the last evaluation: of the " +
        "global model or, where the strategy is personalised, of each client's own. Means over " +
        'runs.'), clientTable(metric));
  }
  const grid = element('div', {class: 'grid'});
  const section = addSection('clients', 'Clients', ...parts, grid);
  if (hasValues) {
    const spread = figure(`Distribution of the clients' latest ${report.clients.of}, the clients ` +
        'of all runs of a group together', 'small');
    grid.append(spread.figure);
    addDrawing((drawing) => drawChart(drawing, spread.box, distributionChart()));
  }
  if (!metric) return;
  const fan = figure('', 'small');
  if (report.groups.length > 1) {
    section.insertBefore(element('div', {class: 'controls'}, select('over rounds',
        report.groups.map((group, i) => ({value: String(i), title: group.label})),
        String(state.group), (value) => choose({group: Number(value)}))), grid);
  }
  grid.append(fan.figure);
  addDrawing((drawing) => {
    const group = report.groups[state.group];
    const chart = fanChart(metric, group);
    fan.figure.hidden = !chart;
    if (!chart) return;
    fan.figure.firstChild.textContent = `${group.label}: ${metricLabel(metric)} over clients ` +
        '(median; bands from the 25th to the 75th and from the 5th to the 95th percentile; ' +
        'dashed: the worst tenth)';
    drawChart(drawing, fan.box, chart);
  });
}

function runNames(runs) {
  const names = runs.slice(0, 4).map((run) => report.runs[run].name).join(', ');
  return runs.length > 4 ? `${names} and ${runs.length - 4} more` : names;
}

/** A choice among entries that belong to different runs; null where there is one. */
function runSelect(entries, key) {
  if (entries.length < 2) return null;
  return select('of', entries.map((each, i) => ({value: String(i), title: runNames(each.runs)})),
      String(state[key]), (value) => choose({[key]: Number(value)}));
}

/** "7", or "7 to 9" for a bin of neighbours: the ids (from `first` on) in a bin of n items. */
function binName(bin, n, bins, first) {
  const from = Math.ceil(bin * n / bins) + first;
  const to = Math.ceil((bin + 1) * n / bins) - 1 + first;
  return from === to ? showNumber(from) : `${showNumber(from)} to ${showNumber(to)}`;
}

/** Ticks at round numbers of n items, counted from `first`, that lie in `bins`. */
function binTicks(n, bins, most, first) {
  return roundNumbers(n, most, first).map((number) => (
    {at: (number - first + 0.5) * bins / n - 0.5, name: showNumber(number)}));
}

function participationMap() {
  const cohorts = report.participation[state.schedule];
  const counts = cohorts.cells.map((flat) => {
    const column = new Map();
    for (let i = 0; i < flat.length; i += 2) column.set(flat[i], flat[i + 1]);
    return column;
  });
  const maximum = Math.max(1, ...counts.map((column) => Math.max(0, ...column.values())));
  const binned = cohorts.rows < cohorts.clients || cohorts.columns < cohorts.rounds;
  return {
    columns: cohorts.columns, rows: cohorts.rows, maximum, rowHeight: 10,
    value: (column, row) => counts[column].get(row) || 0,
    xTitle: 'round', yTitle: 'client',
    columnTicks: binTicks(cohorts.rounds, cohorts.columns, 10, 1),
    rowTicks: binTicks(cohorts.clients, cohorts.rows, 8, 0),
    tip: (column, row) => `round ${binName(column, cohorts.rounds, cohorts.columns, 1)}\n` +
        `client ${binName(row, cohorts.clients, cohorts.rows, 0)}\n` +
        `took part: ${showNumber(counts[column].get(row) || 0)}`,
    scale: binned ? 'times that a client of the cell took part in one of its rounds' :
        'filled: the client took part in the round',
    showMaximum: binned ? showNumber(maximum) : null,
    description: 'Which clients took part in which rounds',
  };
}

function timesChart() {
  const cohorts = report.participation[state.schedule];
  const width = cohorts.times_width;
  const all = new Map(cohorts.times);
  const from = cohorts.times[0][0];
  const length = (cohorts.times.at(-1)[0] - from) / width + 1;
  const starts = Array.from({length}, (_, i) => from + i * width);
  const colour = seriesColour(0);
  return {
    type: 'bar',
    description: 'How often clients took part',
    data: {labels: starts.map((n) => width === 1 ? showNumber(n) :
      `${showNumber(n)} to ${showNumber(n + width - 1)}`),
    datasets: [{data: starts.map((n) => all.get(n) || 0), backgroundColor: colour}]},
    options: {
      plugins: {legend: {display: false}, tooltip: {callbacks: {
        title: (items) => `${items[0].label} times`,
        label: (item) => plural(item.raw, 'client')}}},
      scales: {x: {title: {display: true, text: 'times that a client took part'},
        grid: {display: false}},
      y: {title: {display: true, text: 'clients'}, ticks: {precision: 0}}},
    },
  };
}

function addParticipation() {
  if (!report.participation.length) return;
  const text = element('p', {});
  const times = figure('How often clients took part', 'small');
  const map = element('figure', {}, element('figcaption', {}, 'Cohorts by round'));
  const choice = runSelect(report.participation, 'schedule');
  addSection('participation', 'Who took part',
      choice ? element('div', {class: 'controls'}, choice) : null, text, map, times.figure);
  addHeatMap(map, participationMap);
  addDrawing((drawing) => {
    const cohorts = report.participation[state.schedule];
    const never = cohorts.least === 0 ? cohorts.times[0][1] : 0;
    const rest = never > 0 && cohorts.times_width === 1 ? `; ${plural(never, 'client')} never` : '';
    text.textContent = `${runNames(cohorts.runs)}: ${plural(cohorts.clients, 'client')} in ` +
        `${plural(cohorts.rounds, 'round')}; a client took part ${showNumber(cohorts.least)} to ` +
        `${showNumber(cohorts.most)} times (median ${showNumber(cohorts.median)})${rest}.`;
    drawChart(drawing, times.box, timesChart());
  });
}

/** The order in which the partition's columns are shown. */
function partitionOrder(partition) {
  const order = partition.examples.map((_, i) => i);
  const mainLabel = (column) => {
    let best = 0;
    partition.counts.forEach((row, label) => {
      if (row[column] > partition.counts[best][column]) best = label;
    });
    return best;
  };
  if (state.partitionOrder === 'examples') {
    order.sort((a, b) => partition.examples[b] - partition.examples[a]);
  } else if (state.partitionOrder === 'label' && partition.counts.length) {
    const main = order.map(mainLabel);
    const share = (i) => partition.counts[main[i]][i] / partition.examples[i];
    order.sort((a, b) => main[a] - main[b] || share(b) - share(a));
  }
  return order;
}

function partitionMap() {
  const partition = report.partitions[state.partition];
  const order = partitionOrder(partition);
  const columns = order.length;
  const clients = partition.measures.clients;
  const shares = state.partitionShows === 'share';
  const count = (column, row) => partition.counts[row][order[column]];
  const value = (column, row) =>
      shares ? count(column, row) / partition.examples[order[column]] : count(column, row);
  const maximum = shares ? 1 : Math.max(1, ...partition.counts.map((row) => Math.max(...row)));
  const rows = Math.max(partition.labels.length, 1);
  const every = Math.ceil(rows / 25);
  const inOrder = state.partitionOrder === 'id';
  const perColumn = columns < clients ? ' (neighbours added up)' : '';
  return {
    columns, rows, value: partition.counts.length ? value : () => 0, maximum,
    rowHeight: partition.counts.length ? 20 : 0,
    xTitle: inOrder ? 'client' : 'clients, in the order chosen',
    yTitle: 'label',
    columnTicks: inOrder ? binTicks(clients, columns, 10, 0) : [],
    rowTicks: partition.labels.map((name, at) => ({name, at})).filter((_, i) => i % every === 0),
    bars: order.map((column) => partition.examples[column]),
    barsTitle: 'examples by client' + perColumn,
    tip: (column, row) => `client ${binName(order[column], clients, columns, 0)}\n` +
        `${plural(partition.examples[order[column]], 'example')}` +
        (row < 0 || !partition.counts.length ? '' :
          `\n${partition.labels[row]}: ${showNumber(count(column, row))} ` +
          `(${showNumber(100 * count(column, row) / partition.examples[order[column]])} %)`),
    scale: shares ? "share of a client's examples" : 'examples' + perColumn,
    showMaximum: shares ? '100 %' : showNumber(maximum),
    description: 'Label counts by client',
  };
}

function measuresTable() {
  const measures = (report.partitions[state.partition] || {}).measures;
  const rows = [
    ['clients', showNumber(measures.clients)],
    ['examples held', showNumber(measures.examples) +
        (measures.unused > 0 ? ` (${showNumber(measures.unused)} more are unused)` : '')],
    ['examples of a client', `${showNumber(measures.size_min)} to ` +
        `${showNumber(measures.size_max)}; quartiles ${showNumber(measures.size_q1)}, ` +
        `${showNumber(measures.size_median)}, ${showNumber(measures.size_q3)}; mean ` +
        `${showNumber(measures.size_mean)}, standard deviation ${showNumber(measures.size_std)}`],
    ['Gini coefficient of sizes', `${showNumber(measures.size_gini)} (0: all equal)`],
  ];
  if (measures.label_distance !== undefined) {
    rows.push(['distance of labels to the whole',
      `${showNumber(measures.label_distance)} (total variation, mean over clients; 0: iid)`],
    ['effective classes of a client', `${showNumber(measures.effective_classes)} of ` +
        `${report.partitions[state.partition].all_labels} (exp of the entropy of its labels)`]);
  }
  return table([{title: 'measure', kind: 'text', cell: (row) => row[0]},
    {title: '', kind: 'text', cell: (row) => row[1]}], rows);
}

function addPartition() {
  if (!report.partitions.length) return;
  const measures = element('div', {});
  const map = element('figure', {}, element('figcaption', {}, 'Labels by client'));
  addSection('partition', 'Partition',
      element('div', {class: 'controls'},
          runSelect(report.partitions, 'partition'),
          select('show', [{value: 'share', title: "share of the client's examples"},
            {value: 'count', title: 'number of examples'}], state.partitionShows,
          (value) => choose({partitionShows: value})),
          select('clients by', [{value: 'id', title: 'number'},
            {value: 'examples', title: 'examples'}, {value: 'label', title: 'main label'}],
          state.partitionOrder, (value) => choose({partitionOrder: value}))),
      measures, map);
  addHeatMap(map, partitionMap);
  addDrawing(() => measures.replaceChildren(measuresTable()));
}
