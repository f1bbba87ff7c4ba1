// Small things that many pages show.

import { complain, say } from './notice.js';
import { fresh, h } from './dom.js';

/** A part of a page under a heading of its own. */
export function section(title, ...children) {
  const id = fresh('heading');
  return h('section.card', { 'aria-labelledby': id }, h('h2', { id }, title), children);
}

/** A button that does something, once at a time. Meanwhile it keeps the focus, which a disabled one would lose. */
export function action(text, work, { kind = 'quiet-button', done, label, key } = {}) {
  let busy = false;
  const button = h(`button.${kind}`, {
    type: 'button',
    'aria-label': label,
    'data-key': key ?? label,
    onclick: async () => {
      if (busy) return;
      busy = true;
      button.setAttribute('aria-disabled', 'true');
      try {
        const outcome = await work();
        if (done && outcome !== false) say(done);
      } catch (error) {
        complain(error);
      }
      busy = false;
      button.removeAttribute('aria-disabled');
    },
  }, text);
  return button;
}

/** A link within these pages: `to('Notes', 'databases', 'notes')`. */
export function to(text, ...segments) {
  return h('a', { href: place(...segments) }, text);
}

/** The same as a button looks. */
export function toButton(text, ...segments) {
  return h('a.quiet-button', { href: place(...segments) }, text);
}

/** And as the one that is likely wanted looks. */
export function toMain(text, ...segments) {
  return h('a.quiet-button.primary', { href: place(...segments) }, text);
}

export function place(...segments) {
  return `#/${segments.map(encodeURIComponent).join('/')}`;
}

/** How far something is; without a total it is not known. */
export function progress(label, done, total, detail) {
  const id = fresh('progress');
  const known = Number.isFinite(total) && total > 0;
  const bar = h('progress', { 'aria-labelledby': id, ...(known ? { max: String(total) } : {}) });
  if (known) bar.value = Math.min(done, total);
  return h('div.progress', {}, h('div.progress-text', {}, h('span', { id }, label), detail && h('span.quiet', {}, detail)), bar);
}

/** A word about how something stands: `good`, `wait`, `bad` or nothing. */
export function badge(text, kind = 'plain') {
  return h(`span.badge.${kind}`, {}, text);
}

/** What is shown where there is nothing. */
export function empty(...children) {
  return h('p.empty', {}, children);
}

/** Names and what belongs to them. */
export function facts(...pairs) {
  const shown = pairs.filter((pair) => pair && pair[1] !== undefined && pair[1] !== null && pair[1] !== '');
  return h('dl.facts', {}, shown.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

/** A list of things, one a row: what it is, what is said of it, what can be done. */
export function rows(label, items) {
  return h('ul.rows', { 'aria-label': label }, items);
}

export function row({ title, about = [], actions = [], mark }) {
  return h('li.row', {},
    h('div.row-text', {}, h('div.row-title', {}, title, mark), [about].flat().filter(Boolean).map((line) => h('div.row-about', {}, line))),
    actions.length > 0 && h('div.row-actions', {}, actions));
}

/** Text with a button that copies it. */
export function copyable(label, text) {
  const field = h('input.mono', { type: 'text', readonly: true, value: text, 'aria-label': label, onfocus: () => field.select() });
  const copy = async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!document.execCommand('copy')) throw new Error('Your browser does not let pages copy; the text is selected.');
    }
  };
  return h('div.copyable', {}, field, action('Copy', copy, { done: 'Copied.', label: `Copy ${label.toLowerCase()}` }));
}

/** The way back to what this page is below. */
export function above(...links) {
  return h('nav.above', { 'aria-label': 'Breadcrumb' }, h('span', { 'aria-hidden': 'true' }, '← '),
    links.map((link, index) => [index > 0 && h('span', { 'aria-hidden': 'true' }, ' / '), link]));
}

/** Something that few need, folded away. */
export function more(title, ...children) {
  return h('details', {}, h('summary', {}, title), children);
}
