// Which page the part of the address behind `#` means.

import { Scope } from './live.js';
import { clear, explain } from './notice.js';
import { fill, h } from './dom.js';

let current = new Scope();

/** Goes to another page. */
export function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

/** `#/databases/a%2Fb` as its segments. */
export function segments(hash = location.hash) {
  try {
    return hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return ['unknown'];
  }
}

let table = [];
let place;
let after = () => {};

/**
 * Shows pages in an element from now on. A row is `[pattern, page]`: segments, of which those that begin
 * with a colon are handed to the page; `*` takes any rest.
 */
export function start(rows, element, changed) {
  [table, place, after] = [rows, element, changed];
  addEventListener('hashchange', route);
  route(true);
}

function find(path) {
  for (const [pattern, page] of table) {
    const parts = pattern.split('/').filter(Boolean);
    if (parts.length !== path.length) continue;
    const given = [];
    const fits = parts.every((part, at) => (part.startsWith(':') ? given.push(path[at]) > 0 : part === path[at]));
    if (fits) return [page, given];
  }
  return [nowhere, []];
}

const nowhere = {
  title: () => 'Not found',
  show: () => h('p', {}, 'There is no such page. ', h('a', { href: '#/' }, 'Home')),
};

async function route(first = false) {
  current.end();
  const scope = new Scope();
  current = scope;
  const path = segments();
  const [page, given] = find(path);
  const title = page.title(...given);
  const heading = h('h1', { tabindex: '-1' }, title);
  const body = h('div.page', {});
  fill(place, heading, body);
  document.title = `${title} · Larder`;
  clear();
  after(path);
  // Whoever cannot see hears where they are.
  if (first !== true) {
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  }
  try {
    const shown = await page.show(scope, ...given);
    if (!scope.ended) fill(body, shown);
  } catch (error) {
    if (!scope.ended) fill(body, h('p.warning', { role: 'alert' }, explain(error)));
  }
}
