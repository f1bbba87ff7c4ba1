// Two texts beside each other, the lines that differ marked.

import { h } from './dom.js';

// More than so many lines on a side are compared only where they begin and end alike.
const LINES_MAX = 1500;

/** JSON with its members in order, a line each. */
export function pretty(value) {
  return JSON.stringify(ordered(value), null, 2) ?? '';
}

function ordered(value) {
  if (Array.isArray(value)) return value.map(ordered);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, ordered(value[key])]));
}

/** What is on one side only, line by line: `[kind, left, right]`, of which `same` has both. */
export function compare(left, right) {
  const [a, b] = [left.split('\n'), right.split('\n')];
  let [start, end] = [0, 0];
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middle = changed(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const same = (line) => ['same', line, line];
  return [...a.slice(0, start).map(same), ...middle, ...a.slice(a.length - end).map(same)];
}

function changed(a, b) {
  if (a.length > LINES_MAX || b.length > LINES_MAX) return pairs(a, b);
  // The longest common lines, by their lengths from the end.
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const rows = [];
  let [i, j, lost, won] = [0, 0, [], []];
  const flush = () => {
    rows.push(...pairs(lost, won));
    [lost, won] = [[], []];
  };
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      flush();
      rows.push(['same', a[i], b[j]]);
      [i, j] = [i + 1, j + 1];
    } else if (lengths[i + 1][j] >= lengths[i][j + 1]) lost.push(a[i++]);
    else won.push(b[j++]);
  }
  lost.push(...a.slice(i));
  won.push(...b.slice(j));
  flush();
  return rows;
}

function pairs(a, b) {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, at) => ['differs', a[at], b[at]]);
}

/** A table of both. What differs is marked by more than a colour. */
export function beside([leftTitle, left], [rightTitle, right]) {
  const cell = (kind, line, sign) => {
    if (line === undefined) return h('td.none', {});
    if (kind === 'same') return h('td', {}, line);
    return h(`td.differs`, {}, h('span.sign', { 'aria-hidden': 'true' }, sign), h('span.unseen', {}, sign === '−' ? 'only left: ' : 'only right: '), line);
  };
  const row = ([kind, one, other]) => h('tr', {}, cell(kind, one, '−'), cell(kind, other, '+'));
  const head = h('tr', {}, h('th', { scope: 'col' }, leftTitle), h('th', { scope: 'col' }, rightTitle));
  return h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': 'Comparison' },
    h('table.diff', {}, h('thead', {}, head), h('tbody', {}, compare(left, right).map(row))));
}
