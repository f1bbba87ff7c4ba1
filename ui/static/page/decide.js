// One document that is in conflict: what each of its revisions says, and which one stays.

import { above, action, empty, section, to } from '../parts.js';
import { beside, pretty } from '../diff.js';
import { get, post, query } from '../api.js';
import { go } from '../router.js';
import { h } from '../dom.js';
import { moment, short, size } from '../format.js';

export default {
  title: (db, id) => id,
  async show(scope, db, id) {
    const { leaves, why, code, leaves_count } = await get(`/_hub/conflicts${query({ db, id })}`);
    const [first, ...others] = leaves;
    const back = above(to('Overwritten edits', 'overwritten'), to(`${db} / ${id}`, 'databases', db, 'document', id));
    if (others.length === 0) return [back, empty('Nothing needs a decision.')];
    const keep = ({ rev }) => action('Keep this one', async () => {
      await post('/_hub/conflicts', { db, id, keep: rev });
      go('#/overwritten');
    }, { kind: 'primary', done: 'Decided.', label: `Keep this one: ${rev}` });
    const text = ({ body, bytes }) => (body === undefined ? `(${size(bytes)})` : pretty(body));
    const named = (leaf) => [short(leaf.rev, 16), leaf.written && `, written ${moment(leaf.written)}`,
      (leaf.attachments ?? []).map(({ name, length }) => `, ${name} (${size(length)})`)];
    return [
      back,
      h('p', {}, `No rule can decide between these: ${why}. The one that you keep becomes the newest edit; the others ${code === 'keep' ? 'are deleted' : 'go to the overwritten edits'}.`),
      section('Shown now', h('p', {}, named(first)), keep(first)),
      others.map((other) => section('Another version', h('p', {}, named(other)),
        beside(['Shown now', text(first)], ['This version', text(other)]), h('div.buttons', {}, keep(other)))),
      leaves_count > leaves.length && h('p.quiet', {}, `There are ${leaves_count} of them; these are the first.`),
    ];
  },
};
