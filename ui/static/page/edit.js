// One edit that lost, beside what is in its place.

import { above, action, badge, empty, facts, section, to } from '../parts.js';
import { at, get, post, remove } from '../api.js';
import { beside, pretty } from '../diff.js';
import { go } from '../router.js';
import { h } from '../dom.js';
import { moment, size } from '../format.js';

export default {
  title: () => 'Overwritten edit',
  async show(scope, id) {
    const path = at('_hub', 'overwritten', id);
    const lost = await get(path);
    document.querySelector('h1').textContent = lost.document;
    const { winner } = lost;
    const files = ({ attachments = [] }) => attachments.map(({ name, length }) => h('li', {}, `${name}, ${size(length)}`));
    const there = !winner ? '(nothing)' : winner.deleted ? '(deleted)' : pretty(winner.body);
    return [
      above(to('Overwritten edits', 'overwritten')),
      section('Compare',
        facts(['Document', to(`${lost.database} / ${lost.document}`, 'databases', lost.database, 'document', lost.document)],
          ['Lost', [moment(lost.written), lost.deleted && badge('A deletion')]],
          ['Instead of it', winner && moment(winner.written)]),
        beside(['What lost', lost.deleted ? '(deleted)' : pretty(lost.body)], ['What is there', there])),
      ((lost.attachments ?? []).length > 0 || (winner?.attachments ?? []).length > 0) && section('Attachments', h('div.grid', {},
        h('div', {}, h('h3', {}, 'Of what lost'), files(lost).length ? h('ul', {}, files(lost)) : empty('None.')),
        h('div', {}, h('h3', {}, 'Of what is there'), files(winner ?? {}).length ? h('ul', {}, files(winner ?? {})) : empty('None.')))),
      h('div.buttons', {},
        action('Restore what lost', async () => {
          await post(`${path}/restore`);
          // Whoever has gone on meanwhile stays there.
          if (!scope.ended) go('#/overwritten');
        }, { kind: 'primary', done: 'Restored: it is the newest edit now.' }),
        action('Dismiss', async () => {
          await remove(path);
          if (!scope.ended) go('#/overwritten');
        }, { done: 'Dismissed, on all devices.' })),
    ];
  },
};
