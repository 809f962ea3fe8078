// Elements of the page. Text from runs only ever becomes text nodes and attributes, never markup.

/** element('td', {class: 'number'}, '0.5'); attributes that are false or missing are left out. */
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === 'function') {
      made.addEventListener(name, value);
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value === true ? '' : value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/**
 * A table that scrolls sideways where it is too wide. A column is {title, kind, cell}: kind is
 * 'number', 'word', 'text' or 'code', cell(row) gives its text. Columns that are empty everywhere
 * are left out.
 */
function table(columns, rows) {
  const texts = columns.map((column) => rows.map((row) => column.cell(row) ?? ''));
  const used = columns.map((_, i) => i).filter((i) => texts[i].some((text) => text !== ''));
  const head = used.map((i) => element('th', {class: columns[i].kind}, columns[i].title));
  const cell = (i, row) => element('td', {class: columns[i].kind}, texts[i][row]);
  const body = rows.map((_, row) => element('tr', {}, ...used.map((i) => cell(i, row))));
  const size = rows.length > 60 ? 'tall' : rows.length < 20 ? 'short' : '';
  return element('div', {class: `scroll ${size}`},
      element('table', {}, element('thead', {}, element('tr', {}, ...head)),
          element('tbody', {}, ...body)));
}

function select(title, options, value, change) {
  const list = element('select', {change: (event) => change(event.target.value)},
      ...options.map((option) => element('option',
          {value: option.value, selected: option.value === value}, option.title)));
  return element('label', {}, title, list);
}

function checkbox(title, checked, change) {
  const box = element('input',
      {type: 'checkbox', checked, change: (event) => change(event.target.checked)});
  return element('label', {}, box, title);
}

function slider(title, maximum, step, value, change) {
  const input = element('input', {type: 'range', min: 0, max: maximum, step, value,
    input: (event) => change(Number(event.target.value))});
  return element('label', {}, title, input);
}

/** Adds a section to the page and to its contents. */
function addSection(id, title, ...children) {
  const section = element('section', {id}, element('h2', {}, title), ...children);
  document.getElementById('main').append(section);
  document.getElementById('contents').append(element('a', {href: '#' + id}, title));
  return section;
}

/** A figure with its caption above; returns the figure and the box for its chart. */
function figure(caption, size) {
  const box = element('div', {class: 'chart' + (size === 'small' ? ' small' : '')});
  return {figure: element('figure', {}, element('figcaption', {}, caption), box), box};
}
