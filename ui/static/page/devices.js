// The person's own devices.

import { badge, empty, row, rows, section, to, toMain } from '../parts.js';
import { ago, short } from '../format.js';
import { get } from '../api.js';
import { h } from '../dom.js';
import { far, standing } from './home.js';

export async function listed() {
  const [list, { peers = [] }] = await Promise.all([get('/_hub/devices'), get('/_hub/status')]);
  const devices = (list.devices ?? []).map((device) => {
    const peer = peers.find(({ key }) => key === device.key);
    return { ...device, state: peer?.state, way: peer?.way, seen: peer && peer.state !== 'connected' ? ago(peer.last_seen) : '', databases: peer?.databases };
  });
  return { devices, alarms: list.alarms ?? [] };
}

/** Whether a device is on the list, off it, or in between. */
export function place(device) {
  if (device.this) return badge('This device', 'good');
  if (device.standing === 'suspended') return badge('Suspended', 'bad');
  if (device.standing === 'removed') return badge('Removed', 'bad');
  return device.state && standing(device);
}

export default {
  title: () => 'Devices',
  show(scope) {
    return [
      scope.live(listed, draw),
      h('div.buttons', {}, toMain('Add a device', 'pair', 'device')),
    ];
  },
};

function draw({ devices, alarms }) {
  return [
    alarms.map(({ sentence }) => h('p.warning', {}, sentence)),
    section('Your devices', devices.every((device) => device.this) && empty('This is the only one. Pair another, and every database is on both.'),
      devices.length > 0 && rows('Devices', devices.map((device) => row({
        title: to(device.name || short(device.key), 'devices', device.key),
        mark: place(device),
        about: [
          device.standing === 'suspended' && 'Somebody on the list has removed it. Open it to confirm that or to keep it.',
          device.seen && `Last reached: ${device.seen}`,
          far(device.databases),
        ],
      })))),
  ];
}
