// Short sentences about what was done, or was not; read out by screen readers.

import { fill, h } from './dom.js';

const SHOWN_MS = 8000;

const done = h('div.notices', { role: 'status' });
const failed = h('div.notices', { role: 'alert' });

/** Where they appear. */
export const place = h('div.notice-place', {}, done, failed);

/** Says that something is done. */
export function say(sentence) {
  show(done, h('p.notice', {}, sentence));
}

/** Says why something is not. */
export function complain(error) {
  if (error?.name === 'AbortError') return;
  show(failed, h('p.notice.bad', {}, explain(error)));
}

function show(where, notice) {
  const close = h('button.close', { type: 'button', 'aria-label': 'Dismiss', onclick: () => notice.remove() }, '×');
  notice.append(close);
  if (where.childElementCount > 2) where.firstChild.remove();
  where.append(notice);
  setTimeout(() => notice.remove(), SHOWN_MS);
}

export function clear() {
  fill(done);
  fill(failed);
}

/** An error as people read it. */
export function explain(error) {
  if (error?.notOffered) return 'This hub does not offer that.';
  return error?.message || 'Something went wrong.';
}
