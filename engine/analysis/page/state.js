// What the reader has chosen, kept while the page is open so that a live report can load itself.

const report = JSON.parse(document.getElementById('data').textContent);

const state = {
  metric: report.metric,
  x: 'round',
  logX: false,
  logY: null,  // as the metric's values need it
  smoothing: 0,
  band: 'range',
  each: false,
  hidden: [],  // labels of groups
  group: 0,
  schedule: 0,
  partition: 0,
  partitionShows: 'share',
  partitionOrder: 'id',
  reload: true,
};

const STATE_KEY = 'flsim report ' + location.pathname;

function loadState() {
  try {
    Object.assign(state, JSON.parse(sessionStorage.getItem(STATE_KEY) || '{}'));
  } catch (error) {
    // Storage is switched off, or holds something else: the page opens as new.
  }
  if (!(report.metrics || []).some((metric) => metric.key === state.metric)) {
    state.metric = report.metric;
  }
  for (const [key, list] of [['group', report.groups], ['schedule', report.participation],
    ['partition', report.partitions]]) {
    if (!(list || [])[state[key]]) state[key] = 0;
  }
}

function saveState() {
  try {
    sessionStorage.setItem(STATE_KEY, JSON.stringify(state));
  } catch (error) {
    // As above.
  }
}

/** Changes the state and draws what depends on it. */
function choose(changes) {
  Object.assign(state, changes);
  saveState();
  drawAll();
}
