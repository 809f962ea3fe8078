// Puts the page together.

const RELOAD_MS = 10000;

function subtitle() {
  if (!report.runs) return 'Drawn before any training';
  if (report.runs.length === 1) return statusText(report.runs[0]);
  const running = report.runs.filter((run) => run.status === 'unfinished').length;
  const groups = report.groups.length;
  return plural(report.runs.length, 'run') + ' of ' + plural(groups, 'config') +
      (running ? `; ${running} unfinished` : '');
}

function addNotes() {
  if (!report.notes.length) return;
  addSection('notes', 'Left out', ...report.notes.map((note) => element('p', {}, note)));
}

/** A report that is being rewritten loads itself, unless the reader switches that off. */
function addReload() {
  if (!report.live) return;
  document.querySelector('header').append(element('div', {class: 'controls'},
      checkbox('this report is being rewritten: load it again every 10 seconds', state.reload,
          (on) => choose({reload: on}))));
  setInterval(() => {
    if (state.reload) location.reload();
  }, RELOAD_MS);
}

loadState();
document.getElementById('subtitle').textContent = subtitle();
document.getElementById('made').textContent = `Made by flsim ${report.flsim}. ` +
    'This file is complete: it loads nothing from anywhere.';
addReload();
if (report.runs) {
  addResults();
  addCurves();
  addClients();
  addParticipation();
  addPartition();
  addCost();
  addConfig();
  addMachines();
  addNotes();
} else {
  addPartition();
  addConfig();
}
watchTheme();
drawAll();
