// Edits that lost to later ones, and those that wait for their time.

import { action, badge, empty, row, rows, section, to, toButton } from '../parts.js';
import { ago, duration, plural, short, size } from '../format.js';
import { ask } from '../dialog.js';
import { at, get, post, remove } from '../api.js';
import { h } from '../dom.js';

export default {
  title: () => 'Overwritten edits',
  show(scope) {
    const lost = scope.live(() => get('/_hub/overwritten'), (data) => draw(data, () => lost.refresh()));
    const undecided = scope.live(() => get('/_hub/conflicts'), drawUndecided);
    const held = scope.live(() => get('/_hub/held'), (data) => drawHeld(data, () => held.refresh()));
    return [
      h('p', {}, 'When two devices edit a document at once, the newest edit counts. What lost is kept here for a while.'),
      section('Needs your decision', h('p.quiet', {}, 'Edits at once of which no rule knows the newer one.'), undecided),
      section('Lost to later edits', lost),
      section('Waiting for their time', h('p.quiet', {}, 'Edits of devices whose clocks are ahead. They count when their time has come.'), held),
    ];
  },
};

function draw({ overwritten, more }, changed) {
  if (overwritten.length === 0) return empty('Nothing was overwritten.');
  return [
    rows('Overwritten edits', overwritten.map((one) => row({
      title: to(one.document, 'overwritten', one.id),
      mark: [one.attention && badge('Have a look', 'wait'), one.deleted && badge('A deletion')],
      about: [`${one.database} · written ${ago(one.written)} · ${size(one.bytes)}${one.winner ? `, now ${one.winner.deleted ? 'deleted' : size(one.winner.bytes)}` : ''}`],
      actions: [
        action('Restore', async () => {
          await post(`${at('_hub', 'overwritten', one.id)}/restore`);
          await changed();
        }, { done: 'Restored.', label: `Restore ${one.document}` }),
        action('Dismiss', async () => {
          await remove(at('_hub', 'overwritten', one.id));
          await changed();
        }, { done: 'Dismissed.', label: `Dismiss ${one.document}` }),
      ],
    }))),
    more && h('p.quiet', {}, 'There are more; these are the first 1,000.'),
  ];
}

function drawUndecided({ conflicts, more }) {
  if (conflicts.length === 0) return empty('Nothing needs a decision.');
  return [
    rows('Documents in conflict', conflicts.map((one) => row({
      title: to(one.id, 'databases', one.database, 'document', one.id),
      about: [`${one.database} · ${plural(one.leaves_count, 'version')} · ${one.why}`],
      actions: [toButton('Compare', 'overwritten', one.database, one.id)],
    }))),
    more && h('p.quiet', {}, 'There are more.'),
  ];
}

function drawHeld({ held }, changed) {
  if (held.length === 0) return empty('Nothing waits.');
  return rows('Waiting edits', held.map((one) => row({
    title: `${one.database} / ${one.document}`,
    about: [`By ${short(one.by, 16)}, whose clock is ${duration(one.clock_ahead_ms / 1000)} ahead`, `${size(one.bytes)}; counts ${ago(one.due)}`],
    actions: [action('Let it in now', async () => {
      if (!await ask({ title: `Let the edit of ${one.document} in now?`, text: 'It becomes the newest edit.', button: 'Let it in' })) return false;
      await post(`${at('_hub', 'held', one.id)}/release`);
      return changed();
    }, { done: 'It is in.', label: `Let ${one.document} in now` })],
  })));
}
