// Programs that may use the hub, and those that ask.

import { action, badge, copyable, empty, more, row, rows, section } from '../parts.js';
import { ago, duration, short } from '../format.js';
import { ask } from '../dialog.js';
import { at, get, post, remove } from '../api.js';
import { check, field, form, input } from '../form.js';
import { fill, h } from '../dom.js';

export default {
  title: () => 'Apps',
  show(scope) {
    const asking = scope.live(async () => (await get('/_hub/enrolments')).enrolments, (data) => drawAsking(data, () => {
      asking.refresh();
      apps.refresh();
    }), { every: 2000 });
    const apps = scope.live(() => get('/_hub/apps'), (data) => drawApps(data, () => apps.refresh()));
    return [
      section('Asking to be let in', asking),
      section('Apps', apps),
      section('Let one in by a code', h('p', {}, 'For an app with a key of its own: it types the code once.'), code()),
      section('Let one in by a token', h('p', {}, 'For apps that know a name and a password, as CouchDB’s do.'), token(() => apps.refresh())),
    ];
  },
};

/** `a:r b:rw` as the hub takes it. */
function grants(text) {
  return String(text).split(/[\s,]+/).filter(Boolean).map((word) => {
    const [, name, right] = /^(.*?)(?::(r|rw))?$/.exec(word);
    return { name, write: right === 'rw' };
  });
}

function words(databases = []) {
  return databases.map(({ name, write }) => `${name}:${write ? 'rw' : 'r'}`).join(' ');
}

function rights({ admin, databases = [] }) {
  if (admin) return 'May do whatever you may';
  if (databases.length === 0) return 'May use no database';
  const of = (right, which) => {
    const names = databases.filter(which).map(({ name }) => name);
    return names.length > 0 && `${right} ${names.join(', ')}`;
  };
  return `May ${[of('read and write', ({ write }) => write), of('read', ({ write }) => !write)].filter(Boolean).join('; ')}`;
}

const RIGHTS_HINT = 'Databases, each with :r to read or :rw to read and write, for instance notes:rw photos:r';

function drawAsking(enrolments, changed) {
  const waiting = Object.entries(enrolments).filter(([, { state }]) => state === 'waiting');
  if (waiting.length === 0) return empty('Nobody asks.');
  return rows('Asking', waiting.map(([name, asked]) => row({
    title: name,
    about: [rights(asked).replace('May', 'Asks to'), `Key ${short(asked.key, 16)}, asked ${ago(asked.asked)}`],
    actions: [
      action('Approve', async () => {
        const given = await ask({
          title: `Let ${name} in?`,
          text: 'Look whether the app shows the same key.',
          button: 'Approve',
          fields: [field('It may use', input('databases', { value: words(asked.databases) }), RIGHTS_HINT)],
        });
        if (!given) return false;
        await post(at('_hub', 'enrolments', name), { approve: true, databases: grants(given.databases) });
        return changed();
      }, { kind: 'primary', done: `${name} is in.`, label: `Approve ${name}` }),
      action('Refuse', async () => {
        await post(at('_hub', 'enrolments', name), { approve: false });
        return changed();
      }, { done: 'Refused.', label: `Refuse ${name}` }),
    ],
  })));
}

function drawApps({ apps }, changed) {
  if (apps.length === 0) return empty('None yet.');
  return rows('Apps', apps.map((app) => row({
    title: app.name,
    mark: app.admin && badge('Everything', 'wait'),
    about: [
      rights(app),
      `${app.key ? 'By its key' : 'By a token'}; ${app.last_used ? `used ${ago(app.last_used)}` : 'never used'}`,
      app.origins?.length > 0 && `From pages of ${app.origins.join(', ')}`,
    ],
    actions: [action('Revoke', async () => {
      if (!await ask({ title: `Take ${app.name}’s rights away?`, text: 'At once. What it has already stays with it.', button: 'Revoke', danger: true })) return false;
      await remove(at('_hub', 'apps', app.name));
      return changed();
    }, { kind: 'danger', done: `${app.name} may do nothing any more.`, label: `Revoke ${app.name}` })],
  })));
}

function code() {
  const shown = h('div', { role: 'status' });
  return [form({ label: 'Make a code', quiet: true, submit: async (values) => {
    const made = await post('/_hub/codes', { name: values.name.trim(), databases: grants(values.databases) });
    fill(shown, h('p', {}, `Good once, for ${duration(made.minutes * 60)}, for an app that calls itself ${made.name}:`), copyable('Code', made.code));
  } }, h('div.together', {}, field('The app’s name', input('name', { required: true })), field('It may use', input('databases'), RIGHTS_HINT))), shown];
}

function token(changed) {
  const shown = h('div', { role: 'status' });
  return [form({ label: 'Make a token', quiet: true, submit: async (values) => {
    const made = await post('/_hub/apps', {
      name: values.name.trim(), databases: grants(values.databases), admin: values.admin,
      origins: values.origin ? [values.origin.trim()] : [],
    });
    const { urls = [] } = await get('/_hub/status');
    fill(shown, h('p', {}, 'The token is shown only now:'), copyable('Name', made.name), copyable('Token', made.token), urls[0] && copyable('Address', urls[0]));
    changed();
  } },
  h('div.together', {}, field('A name for the app', input('name', { required: true })), field('It may use', input('databases'), RIGHTS_HINT)),
  more('More', field('Pages that may use it', input('origin', { placeholder: 'app://obsidian.md' }), 'The origin of a web app, where it is one'), check('admin', 'It may do whatever you may'))), shown];
}
