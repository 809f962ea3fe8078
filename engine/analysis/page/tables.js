// Tables: results, cost, configs, machines.

function statusText(run) {
  const progress = run.planned !== null && run.rounds < run.planned ?
      ` at round ${showNumber(run.rounds)} of ${showNumber(run.planned)}` : '';
  const reason = run.stopped || run.reason;
  return run.status + progress + (reason ? `: ${reason}` : '') +
      (run.skipped_rounds ? `; ${plural(run.skipped_rounds, 'round')} skipped` : '');
}

/** "completed", or "2 completed, 1 diverged" */
function statuses(runs) {
  const counts = new Map();
  for (const run of runs) counts.set(run.status, (counts.get(run.status) || 0) + 1);
  return [...counts].map(([status, n]) => counts.size === 1 ? status : `${n} ${status}`).join(', ');
}

const runsOf = (group) => group.runs.map((i) => report.runs[i]);

/** Mean and spread over a group's runs of what `pick` takes from a run. */
function overRuns(group, pick, show) {
  const values = runsOf(group).map(pick).filter((value) => value !== null && value !== undefined);
  if (!values.length) return '';
  return show ? show(mean(values)) : showSpread(mean(values), deviation(values), values.length);
}

function addResults() {
  const label = metricLabel(report.metric);
  const several = report.groups.some((group) => group.runs.length > 1);
  const part = (key, at) => (run) => run[key] && run[key][at];
  const groups = table([
    {title: '', kind: 'text', cell: (group) => group.label},
    {title: 'runs', kind: 'number', cell: (group) => showNumber(group.runs.length)},
    {title: 'status', kind: 'word', cell: (group) => statuses(runsOf(group))},
    {title: `final ${label}`, kind: 'number', cell: (group) => overRuns(group, part('final', 1))},
    {title: `best ${label}`, kind: 'number', cell: (group) => overRuns(group, part('best', 1))},
    {title: 'at round', kind: 'number',
      cell: (group) => overRuns(group, part('best', 0), (round) => showNumber(Math.round(round)))},
    {title: 'rounds', kind: 'number', cell: (group) => overRuns(group, (run) => run.rounds,
        (rounds) => showNumber(Math.round(rounds)))},
  ], report.groups);
  const runs = table([
    {title: 'run', kind: 'text', cell: (run) => run.name},
    {title: 'seed', kind: 'number', cell: (run) => String(run.seed)},
    {title: 'status', kind: 'text', cell: statusText},
    {title: `final ${label}`, kind: 'number', cell: (run) => showDigits(part('final', 1)(run))},
    {title: `best ${label}`, kind: 'number', cell: (run) => showDigits(part('best', 1)(run))},
    {title: 'at round', kind: 'number', cell: (run) => showNumber(part('best', 0)(run))},
  ], report.runs);
  const note = several ? element('p', {class: 'note'},
      'Means over runs that differ in their seeds alone, ± one standard deviation.') : null;
  addSection('results', 'Results', groups, note,
      report.runs.length > 1 ? element('h3', {}, 'Every run') : null,
      report.runs.length > 1 ? runs : null);
}

/** Stacked horizontal bars, one for each group. */
function costChart(parts, show, description) {
  return {
    type: 'bar',
    description,
    data: {
      labels: report.groups.map((group) =>
          group.label.length > 32 ? group.label.slice(0, 31) + '…' : group.label),
      datasets: parts.map((part, i) => ({label: part.title, backgroundColor: seriesColour(i),
        data: report.groups.map((group) => mean(runsOf(group).map(part.pick)))})),
    },
    options: {
      indexAxis: 'y',
      plugins: {
        legend: {display: parts.length > 1, position: 'bottom', labels: {boxWidth: 12}},
        tooltip: {callbacks: {label: (item) => `${item.dataset.label}: ${show(item.raw)}`}},
      },
      scales: {
        x: {stacked: true, ticks: {callback: show, maxRotation: 0, autoSkipPadding: 12}},
        y: {stacked: true, grid: {display: false}},
      },
    },
  };
}

const COST_CHARTS = [
  {caption: 'Time', show: showSeconds, parts: [
    {title: 'training', pick: (run) => run.training_s},
    {title: 'evaluation', pick: (run) => run.evaluation_s}]},
  {caption: 'Bytes between clients and server', show: showBytes, parts: [
    {title: 'up', pick: (run) => run.bytes_up},
    {title: 'down', pick: (run) => run.bytes_down}]},
  {caption: 'Memory at most', show: showBytes, parts: [
    {title: 'memory', pick: (run) => run.peak_rss_bytes || 0}]},
];

const MOST_COST_BARS = 40;

function addCost() {
  const grid = element('div', {class: 'grid'});
  const clientSeconds = (key) => (group) =>
      overRuns(group, (run) => run.client_seconds && run.client_seconds[key], showSeconds);
  const columns = [
    {title: '', kind: 'text', cell: (group) => group.label},
    {title: 'training', kind: 'number',
      cell: (group) => overRuns(group, (run) => run.training_s, showSeconds)},
    {title: 'evaluation', kind: 'number',
      cell: (group) => overRuns(group, (run) => run.evaluation_s, showSeconds)},
    {title: 'examples/s', kind: 'number', cell: (group) => overRuns(group,
        (run) => run.train_examples_per_s, (rate) => showNumber(Math.round(rate)))},
    {title: 'bytes up', kind: 'number',
      cell: (group) => overRuns(group, (run) => run.bytes_up, showBytes)},
    {title: 'bytes down', kind: 'number',
      cell: (group) => overRuns(group, (run) => run.bytes_down, showBytes)},
    {title: 'memory', kind: 'number',
      cell: (group) => overRuns(group, (run) => run.peak_rss_bytes, showBytes)},
    {title: 'client, median', kind: 'number', cell: clientSeconds('median')},
    {title: 'client, p95', kind: 'number', cell: clientSeconds('p95')},
    {title: 'slowest client', kind: 'number', cell: clientSeconds('max')},
  ];
  addSection('cost', 'Time, bytes and memory',
      element('p', {class: 'note'}, 'Means over runs. Training is from sampling a cohort to the ' +
          'server update; evaluation is the time in which nothing else went on.'),
      table(columns, report.groups), grid);
  if (report.groups.length < 2 || report.groups.length > MOST_COST_BARS) return;
  for (const each of COST_CHARTS) {
    if (!report.runs.some((run) => each.parts.some((part) => part.pick(run) > 0))) continue;
    const chart = figure(each.caption);
    chart.box.style.height = 24 * report.groups.length + 90 + 'px';
    grid.append(chart.figure);
    addDrawing((drawing) =>
      drawChart(drawing, chart.box, costChart(each.parts, each.show, each.caption)));
  }
}

function addConfig() {
  const differing = report.settings.filter((setting) => setting.values);
  const common = report.settings.filter((setting) => !setting.values);
  const parts = [];
  if (differing.length) {
    parts.push(element('h3', {}, 'What differs'), table([
      {title: '', kind: 'text', cell: (group) => group.label},
      ...differing.map((setting) => ({title: setting.key, kind: 'code', cell: (group) => {
        const value = setting.values[report.groups.indexOf(group)];
        return value === null ? '–' : showSetting(value.is);
      }})),
    ], report.groups), element('h3', {}, 'The same in all'));
  }
  parts.push(table([{title: 'key', kind: 'code', cell: (setting) => setting.key},
    {title: 'value', kind: 'code', cell: (setting) => showSetting(setting.value)}], common));
  addSection('config', 'Config', ...parts);
}

/** Runs that were made by the same program on the same machine in the same way. */
function addMachines() {
  const machines = new Map();
  for (const run of report.runs) {
    const machine = run.machine || {};
    const runtime = run.runtime || {};
    const row = {version: run.version || '', cpu: machine.cpu || '', cores: machine.cores,
      memory: machine.memory_bytes, libtorch: machine.libtorch || '',
      workers: runtime.workers === 0 ? 'one per core' : showNumber(runtime.workers),
      devices: (runtime.devices || []).toString(), backend: runtime.backend || ''};
    const key = JSON.stringify(row);
    machines.set(key, {...row, runs: [...((machines.get(key) || {}).runs || []), run]});
  }
  const models = report.runs.filter((run) => run.model_sha256);
  addSection('machine', 'Machine and versions', table([
    {title: 'flsim', kind: 'word', cell: (row) => row.version},
    {title: 'LibTorch', kind: 'word', cell: (row) => row.libtorch},
    {title: 'processor', kind: 'text', cell: (row) => row.cpu},
    {title: 'cores', kind: 'number', cell: (row) => showNumber(row.cores)},
    {title: 'memory', kind: 'number', cell: (row) => showBytes(row.memory)},
    {title: 'workers', kind: 'word', cell: (row) => row.workers},
    {title: 'devices', kind: 'word', cell: (row) => row.devices},
    {title: 'backend', kind: 'word', cell: (row) => row.backend},
    {title: 'runs', kind: 'number', cell: (row) => showNumber(row.runs.length)},
  ], [...machines.values()]),
  models.length ? element('h3', {}, 'Final models, by the SHA-256 of their parameters') : null,
  models.length ? table([
    {title: 'run', kind: 'text', cell: (run) => run.name},
    {title: 'seed', kind: 'number', cell: (run) => String(run.seed)},
    {title: 'SHA-256', kind: 'code', cell: (run) => run.model_sha256}], models) : null);
}
