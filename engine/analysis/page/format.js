// Numbers as people read them.

/** Four significant digits: 0.4411, 12.35, 1.2e-5, 123,456. */
function showNumber(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return value.toLocaleString('en');
  if (size < 1e-4 || size >= 1e9) return Number(value.toPrecision(4)).toExponential();
  return value.toLocaleString('en', size >= 1000 ?
      {maximumFractionDigits: 0} : {maximumSignificantDigits: 4});
}

/** As in a table's column: 0.4440, which showNumber() has as 0.444. */
function showDigits(value) {
  const shown = showNumber(value);
  return shown.includes('.') && !shown.includes('e') ? value.toPrecision(4) : shown;
}

/** 0.441 ± 0.012: the spread with two digits, the value with as many decimals. */
function showSpread(mean, std, runs) {
  if (runs < 2 || !(std > 0)) return showDigits(mean) + (runs < 2 ? '' : ' ± 0');
  const decimals = Math.min(Math.max(1 - Math.floor(Math.log10(std)), 0), 9);
  const show = (value) => value.toLocaleString('en',
      {minimumFractionDigits: decimals, maximumFractionDigits: decimals});
  return `${show(mean)} ± ${show(std)}`;
}

function withUnit(value, units, step) {
  let unit = 0;
  while (unit + 1 < units.length && Math.abs(value) >= step) {
    value /= step;
    ++unit;
  }
  return Number(value.toPrecision(3)).toLocaleString('en') + ' ' + units[unit];
}

function showBytes(value) {
  return value === null || value === undefined ? '' :
      withUnit(value, ['B', 'kB', 'MB', 'GB', 'TB', 'PB'], 1000);
}

function showSeconds(value) {
  if (value === null || value === undefined) return '';
  if (value > 0 && value < 1) return withUnit(value * 1000, ['ms'], Infinity);
  if (value < 120) return withUnit(value, ['s'], Infinity);
  if (value < 7200) return withUnit(value / 60, ['min'], Infinity);
  return withUnit(value / 3600, ['h'], Infinity);
}

/** A value of a config: text without quotes, all else as JSON. */
function showSetting(value) {
  return typeof value === 'string' ? (value === '' ? '""' : value) : JSON.stringify(value);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The sample's standard deviation; 0 for one value. */
function deviation(values) {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0;
}

function plural(n, word) {
  return n.toLocaleString('en') + ' ' + word + (n === 1 ? '' : 's');
}
