// One of the person's own devices.

import { above, action, copyable, facts, more, section, to } from '../parts.js';
import { ask } from '../dialog.js';
import { at, post, put, remove } from '../api.js';
import { field, form, input } from '../form.js';
import { fill, h } from '../dom.js';
import { listed, place } from './devices.js';
import { moment, plural } from '../format.js';
import { say } from '../notice.js';

export default {
  title: () => 'Device',
  async show(scope, key) {
    const find = async () => {
      const { devices } = await listed();
      const device = devices.find((one) => one.key === key);
      if (!device) throw new Error('There is no such device.');
      return device;
    };
    const device = await find();
    document.querySelector('h1').textContent = device.name;
    const about = scope.live(find, (now) => draw(now, key, () => about.refresh()));
    return [
      above(to('Devices', 'devices')),
      about,
      section('Rename', form({ label: 'Rename', quiet: true, submit: async ({ name }) => {
        await put(at('_hub', 'devices', key), { name });
        document.querySelector('h1').textContent = name;
        say('Renamed.');
        about.refresh();
      } }, field('Name', input('name', { value: device.name, required: true, maxlength: 64 })))),
      !device.this && removal(key, device, () => about.refresh()),
    ];
  },
};

function draw(device, key, changed) {
  return [
    device.standing === 'suspended' && decide(device, key, changed),
    section('About', facts(
      ['Now', place(device)],
      ['On the list since', moment(device.added_at)],
      ['Added by', device.added_by],
      ['Removed by', device.removal && (device.removal.by ?? []).join(', ')],
      ['Removed', device.removal && moment(device.removal.at)]),
    more('Key and addresses', copyable('Key', device.key), (device.reach ?? []).map((url) => copyable('Address', url)))),
  ];
}

function decide(device, key, changed) {
  const { by = [], mutual } = device.removal ?? {};
  return h('section.card.wait', {},
    h('p.lead', {}, mutual ? 'Two devices have removed each other.' : `${by.join(' and ') || 'A device'} has removed this one.`),
    h('p', {}, mutual
      ? 'Both are suspended until you decide. If one was lost or stolen, that one is likely the one to remove.'
      : 'It is suspended here until you decide: nothing goes there, and nothing of it gets in.'),
    h('div.buttons', {},
      action('Remove it', async () => {
        await post(`${at('_hub', 'devices', key)}/confirm-removal`);
        await changed();
      }, { kind: 'danger', done: 'Removed.' }),
      action('Keep it', async () => {
        await post(`${at('_hub', 'devices', key)}/keep`);
        await changed();
      }, { done: 'Kept.' })));
}

function removal(key, device, changed) {
  const holds = h('div', { role: 'status' });
  return section('Remove', h('p', {}, 'For a device that is lost, sold, or no longer yours. It is cut off on every device that hears of it; what it holds already it keeps.'), holds,
    h('div.buttons', {}, action('Remove this device', async () => {
      const given = await ask({
        title: `Remove ${device.name}?`,
        text: ['It gets nothing any more. What is on it stays on it.', 'If you may have it back, you can pair it again.'],
        button: 'Remove',
        danger: true,
        typed: device.name,
      });
      if (!given) return;
      const { holds: held = [] } = await remove(at('_hub', 'devices', key));
      say(`${device.name} was removed.`);
      fill(holds, h('div.care', {}, held.length === 0 ? h('p', {}, 'It is removed.') : [
        h('p', {}, 'It is removed. As far as this hub knows it still holds:'),
        h('ul', {}, held.map(({ database, documents }) => h('li', {}, database, documents !== undefined && `: ${plural(documents, 'document')}`))),
      ]));
      changed().catch(() => {});
    }, { kind: 'danger' })));
}
