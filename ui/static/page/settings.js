// This device, and how it goes about things.

import { action, copyable, empty, facts, more, progress, section } from '../parts.js';
import { at, download, get, offered, post, put, save } from '../api.js';
import { duration, moment, size } from '../format.js';
import { field, form, input } from '../form.js';
import { fill, h } from '../dom.js';
import { leave } from '../session.js';
import { say } from '../notice.js';
import { tor } from './home.js';

export default {
  title: () => 'Settings',
  async show(scope) {
    const status = scope.live(async () => {
      const { version, urls, data_dir, started, reach } = await get('/_hub/status');
      return { version, urls, data_dir, started, reach };
    }, ({ version, urls = [], data_dir, started, reach = [] }) => [
      facts(['Release', version], ['Running since', moment(started)], ['Listens on', urls.join(' ')], ['Data', h('span.mono', {}, data_dir)], ['Settings', h('span.mono', {}, `${data_dir}/larder.toml`)]),
      reach.length > 0 && more('Where other hubs reach it', reach.map((url) => copyable('Address', url))),
    ]);
    return [
      section('This device', status, await deviceName()),
      section('How you call yourself', await profile()),
      section('Pause', pauses(scope)),
      section('Tor', onion(scope)),
      section('Backup', h('p', {}, 'All databases as they are at this moment, in one file. The device’s key is not in it: ', h('code', {}, 'larder key backup'), ' keeps that.'),
        backup('Save a backup')),
      section('When something is wrong', h('p', {}, 'A support bundle says how the hub is. It holds no keys, no names and nothing of what you keep.'),
        h('div.buttons', {}, action('Save a support bundle', async () => {
          const bundle = await get('/_hub/support');
          save(new Blob([JSON.stringify(bundle, null, 2)]), 'larder-support.json');
        }))),
      section('This browser', h('p', {}, 'It is logged in until it is closed, or until nobody has used these pages for half a day.'), h('div.buttons', {}, action('Log out', leave))),
    ];
  },
};

/** A button that saves a backup of everything, and how much of it has come. */
export function backup(text) {
  const far = h('div', {});
  const work = async () => {
    const come = (bytes) => fill(far, progress('Backing up', undefined, undefined, size(bytes)));
    come(0);
    try {
      await download('/_hub/backup', `larder-${new Date().toISOString().slice(0, 10)}.backup`, { method: 'POST', come });
    } finally {
      fill(far);
    }
  };
  return [far, h('div.buttons', {}, action(text, work, { done: 'The backup is complete.' }))];
}

async function deviceName() {
  const { devices = [] } = await offered('/_hub/devices', {});
  const own = devices.find((device) => device.this);
  if (!own) return empty('This hub does not offer a name for itself.');
  return form({ label: 'Rename this device', button: 'Rename', quiet: true, submit: async ({ name }) => {
    await put(at('_hub', 'devices', own.key), { name });
    say('Renamed.');
  } }, field('Name of this device', input('name', { value: own.suggested_name ?? own.name, required: true, maxlength: 64 })));
}

async function profile() {
  const now = await offered('/_hub/profile');
  if (!now) return empty('This hub does not offer that.');
  return form({ label: 'Set your name', button: 'Set', quiet: true, submit: async ({ name }) => {
    await put('/_hub/profile', { name });
    say('Set. Your friends are told.');
  } }, field('The name you suggest to friends', input('name', { value: now.name ?? '', maxlength: 64 })));
}

function pauses(scope) {
  const region = scope.live(async () => (await get('/_hub/status')).paused ?? null, (paused) => {
    if (!paused) return empty('This hub does not offer pausing.');
    const flip = (what, words) => action(words[paused[what] ? 1 : 0], async () => {
      await post('/_hub/pause', { [what]: !paused[what] });
      await region.refresh();
    }, { key: what });
    return [
      (paused.sync || paused.onion) && h('p.care', {}, [paused.sync && 'Sync is paused.', paused.onion && ' Tor is paused.']),
      h('div.buttons', {}, flip('sync', ['Pause sync', 'Go on with sync']), flip('onion', ['Pause Tor', 'Go on with Tor'])),
    ];
  });
  return region;
}

function onion(scope) {
  const outcome = h('p', { role: 'status' });
  const region = scope.live(async () => {
    const { onion: now = {}, paused = {} } = await get('/_hub/status');
    const { mode, stage, detail, percent, hint, last_error, address, strangers_address, restricted, bridges } = now;
    return { mode, stage, detail, percent, hint, last_error, address, strangers_address, restricted, bridges, paused: paused.onion };
  }, (now) => [
    tor(now, now.paused),
    facts(['By', { arti: 'the hub’s own means', system: 'a Tor that runs here anyway', off: 'nothing' }[now.mode] ?? now.mode],
      ['Found by', now.restricted ? 'devices that it knows' : 'whoever knows the address'],
      ['Bridges', Array.isArray(now.bridges) ? now.bridges.join(', ') : h('span', {}, 'those in the section ', h('code', {}, '[onion]'), ' of larder.toml')]),
    now.address && now.mode !== 'off' && copyable('Onion address', now.address),
    now.strangers_address && copyable('For strangers', now.strangers_address),
  ], { every: 3000 });
  const check = action('Try whether it is reached', async () => {
    fill(outcome, 'Dialling itself…');
    try {
      const { reachable, took_ms, error } = await post('/_hub/onion/check');
      fill(outcome, reachable ? `It is, in ${duration(took_ms / 1000)}.` : `It is not: ${error}`);
    } catch (error) {
      fill(outcome);
      throw error;
    }
  });
  return [region, outcome, h('div.buttons', {}, check)];
}
