// One document: its text, its attachments, its conflicts.

import { Refusal, at, download, get, put, query, remove } from '../api.js';
import { above, action, badge, place, row, rows, section, to } from '../parts.js';
import { ask } from '../dialog.js';
import { beside, pretty } from '../diff.js';
import { fill, fresh, h } from '../dom.js';
import { go } from '../router.js';
import { listen } from '../feed.js';
import { say } from '../notice.js';
import { size } from '../format.js';

/** What a person edits of a document. */
function body(doc) {
  const { _id, _rev, _attachments, _conflicts, ...rest } = doc;
  return rest;
}

async function read(path) {
  try {
    return await get(`${path}?conflicts=true`);
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return null;
    throw error;
  }
}

export default {
  title: (name, id) => id,
  async show(scope, name, id) {
    const path = at(name, id);
    let doc = await read(path);
    const [label, hint] = [fresh('text'), fresh('hint')];
    const text = h('textarea', { spellcheck: 'false', id: label, 'aria-describedby': hint, autocapitalize: 'none' });
    const state = h('p.quiet', { id: hint, role: 'status' });
    const clash = h('div', {});
    const parts = h('div', {});
    const shown = () => JSON.stringify(body(doc ?? {}), null, 2);
    const draw = () => {
      text.value = shown();
      fill(clash);
      fill(state, doc ? `Revision ${doc._rev}` : 'Not there yet; saving makes it.');
      fill(parts, doc && [attachments(path, doc, replaced), versions(path, doc, replaced), removal(path, name, id, () => doc)]);
    };
    const replaced = async () => {
      doc = await read(path);
      draw();
    };
    const save = async (rev = doc?._rev) => {
      let value;
      try {
        value = JSON.parse(text.value);
      } catch (error) {
        throw new Error(`This is not JSON: ${error.message}`);
      }
      if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('A document is a JSON object: { … }.');
      const sent = { ...value, ...(rev ? { _rev: rev } : {}), ...(doc?._attachments ? { _attachments: doc._attachments } : {}) };
      try {
        await put(path, sent);
      } catch (error) {
        if (!(error instanceof Refusal) || error.status !== 409) throw error;
        return differs(value);
      }
      await replaced();
      say('Saved.');
      return true;
    };
    const differs = async (mine) => {
      const theirs = await read(path);
      const rev = theirs?._rev;
      fill(clash, h('section.card.wait', { 'aria-labelledby': 'clash' },
        h('h2', { id: 'clash', tabindex: '-1' }, 'Somebody else has changed it meanwhile'),
        beside(['As it is now', theirs ? pretty(body(theirs)) : '(deleted)'], ['Yours', pretty(mine)]),
        h('div.buttons', {},
          action('Save yours over it', async () => {
            if (theirs) doc = theirs;
            await save(rev);
          }, { kind: 'danger' }),
          action('Take what is there', replaced))));
      clash.querySelector('h2').focus();
      return false;
    };
    draw();
    // Somebody who edits is told, not interrupted.
    const look = async () => {
      const now = await read(path).catch(() => doc);
      if (scope.ended || now?._rev === doc?._rev) return;
      if (text.value === shown()) {
        doc = now;
        draw();
      } else fill(state, 'It has been changed meanwhile; when you save, you see how.');
    };
    scope.every(4000, () => document.hidden || look());
    scope.onEnd(listen(() => look()));
    text.addEventListener('keydown', (event) => {
      if (event.key !== 's' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      saving.click();
    });
    const saving = action('Save', () => save(), { kind: 'primary' });
    return [
      above(to('Databases', 'databases'), to(name, 'databases', name)),
      clash,
      section('Text', h('label', { for: label, class: 'unseen' }, 'The document as JSON'), text, state, h('div.buttons', {}, saving, action('Undo changes', replaced))),
      parts,
    ];
  },
};

function attachments(path, doc, changed) {
  const files = Object.entries(doc._attachments ?? {});
  if (files.length === 0) return null;
  const at_ = (name) => `${path}/${encodeURIComponent(name)}`;
  return section('Attachments', rows('Attachments', files.map(([name, { content_type, length }]) => row({
    title: name,
    about: `${content_type}, ${size(length)}`,
    actions: [
      action('Save to a file', () => download(at_(name), name.split('/').pop()), { label: `Save ${name} to a file` }),
      action('Remove', async () => {
        if (!await ask({ title: `Remove ${name}?`, text: 'The document goes on without it.', button: 'Remove', danger: true })) return;
        await remove(`${at_(name)}${query({ rev: doc._rev })}`);
        await changed();
      }, { label: `Remove ${name}` }),
    ],
  }))));
}

function versions(path, doc, changed) {
  const others = doc._conflicts ?? [];
  if (others.length === 0) return null;
  const one = (rev) => {
    const shown = h('div', {});
    return h('div', {}, row_(rev, shown), shown);
  };
  const row_ = (rev, shown) => h('div.row', {}, h('div.row-text', {}, h('span.mono', {}, rev)), h('div.row-actions', {},
    action('Compare', async () => {
      const other = await get(`${path}${query({ rev })}`);
      fill(shown, beside(['Counts now', pretty(body(doc))], ['The other', pretty(body(other))]));
    }, { label: `Compare with ${rev}` }),
    action('Use this one', async () => {
      const other = await get(`${path}${query({ rev, attachments: true })}`);
      const { _conflicts, ...sent } = other;
      await put(path, { ...sent, _rev: doc._rev });
      await remove(`${path}${query({ rev })}`);
      await changed();
    }, { done: 'It counts now.', label: `Use ${rev}` }),
    action('Discard', async () => {
      if (!await ask({ title: 'Discard this version?', text: rev, button: 'Discard', danger: true })) return;
      await remove(`${path}${query({ rev })}`);
      await changed();
    }, { label: `Discard ${rev}` })));
  return section('Other versions', badge(`${others.length} in conflict`, 'wait'), others.map(one));
}

function removal(path, name, id, current) {
  return section('Delete', h('div.buttons', {}, action('Delete this document', async () => {
    if (!await ask({ title: `Delete ${id}?`, text: 'It goes on all your devices, and at everybody who has this database.', button: 'Delete', danger: true })) return;
    await remove(`${path}${query({ rev: current()._rev })}`);
    say('Deleted.');
    go(place('databases', name));
  }, { kind: 'danger' })));
}
