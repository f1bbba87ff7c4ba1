// The first run: name this device, pair another or start fresh, first app.

import { action, copyable, section, toButton, toMain } from '../parts.js';
import { at, get, offered, post, put } from '../api.js';
import { field, form, input } from '../form.js';
import { fill, h } from '../dom.js';
import { go } from '../router.js';
import { say } from '../notice.js';

const STEPS = ['This device', 'Your other devices', 'A first database', 'A first app'];

export default {
  title: () => 'Welcome',
  show(scope) {
    const steps = h('ol.steps', { 'aria-label': 'Steps' });
    const body = h('div', {});
    const at_ = async (number, focus = true) => {
      fill(steps, STEPS.map((step, index) => h('li', { 'aria-current': index === number && 'step' }, step)));
      if (number >= STEPS.length) return finish();
      fill(body, await SHOW[number](() => at_(number + 1)));
      if (focus) body.querySelector('input, button, a')?.focus();
    };
    at_(0, false);
    return [steps, body, h('div.buttons', {}, action('Skip all this', finish))];
  },
};

function finish() {
  try {
    localStorage.setItem('larder-welcomed', 'yes');
  } catch {
    // Then it is offered again.
  }
  go('#/');
}

const SHOW = [name, pair, database, app];

async function name(next) {
  const { devices = [] } = await offered('/_hub/devices', {});
  const own = devices.find((device) => device.this);
  if (!own) {
    return section('Name this device', h('p', {}, 'This hub does not offer naming itself; your other devices name it when you pair them.'),
      h('div.buttons', {}, action('Go on', next, { kind: 'primary' })));
  }
  return section('Name this device', h('p', {}, 'Your other devices and your friends see it.'),
    form({ label: 'Name this device', button: 'Go on', submit: async (values) => {
      await put(at('_hub', 'devices', own.key), { name: values.name });
      await next();
    } }, field('Name', input('name', { value: own.suggested_name ?? own.name, required: true, maxlength: 64 }), 'For instance: laptop, phone, at home')));
}

function pair(next) {
  return section('Do you have another device with Larder?',
    h('p', {}, 'Pair it and everything that is there comes here too. One scan or one link does it.'),
    h('div.buttons', {}, toMain('Pair another device', 'pair', 'device'), action('Start fresh', next)));
}

function database(next) {
  return section('A first database', h('p', {}, 'Each app keeps its data in a database. Make one now, or let apps make theirs.'),
    form({ label: 'Make a database', button: 'Make it', submit: async (values) => {
      await post('/_hub/dbs', { name: values.name });
      say(`${values.name} is there.`);
      await next();
    } }, field('Name', input('name', { required: true, pattern: '[a-z][a-z0-9_$\\(\\)+\\/~\\-]*' }), 'Lower-case letters, digits and - _ /; it begins with a letter')),
    h('div.buttons', {}, action('Not now', next)));
}

async function app(next) {
  const { urls = [] } = await get('/_hub/status');
  return section('A first app', h('p', {}, 'Whatever speaks CouchDB’s protocol keeps its data here: give it this address, and on the page Apps a name and a token of its own.'),
    copyable('Address', urls[0] ?? ''),
    h('div.buttons', {}, toButton('Go to Apps', 'apps'), action('Done', next, { kind: 'primary' })));
}
