// All databases, and the trash.

import { action, badge, empty, more, place, row, rows, section, to } from '../parts.js';
import { ago, plural, size } from '../format.js';
import { ask } from '../dialog.js';
import { at, get, post, remove } from '../api.js';
import { field, form, input, radios } from '../form.js';
import { go } from '../router.js';

const SCOPES = { mesh: 'on all your devices', local: 'on this device only', shared: 'shared with you' };
/** What becomes of conflicts, in words. */
export const POLICIES = { newest: 'the newest edit counts', keep: 'conflicts are kept for the app' };

/** Every database with its figures. */
export async function figures() {
  const { databases, elsewhere, trash } = await get('/_hub/dbs');
  const infos = new Map();
  const names = databases.map(({ name }) => name);
  for (let first = 0; first < names.length; first += 100) {
    const keys = names.slice(first, first + 100);
    for (const { key, info } of await post('/_dbs_info', { keys })) infos.set(key, info);
  }
  return { databases: databases.map((database) => ({ ...database, info: infos.get(database.name) })), elsewhere, trash };
}

/** Whether a database is the hub's own. */
export function isSystem({ name, system }) {
  return system || name.startsWith('_');
}

export default {
  title: () => 'Databases',
  show(scope) {
    const region = scope.live(async () => {
      const [all, { peers = [] }] = await Promise.all([figures(), get('/_hub/status')]);
      const behind = peers.flatMap((peer) => (peer.behind ?? []).map(({ db }) => db));
      return { ...all, behind };
    }, (data) => draw(data, () => region.refresh()));
    const make = form({ label: 'Make a database', button: 'Make it', submit: async (values, element) => {
      await post('/_hub/dbs', { name: values.name.trim(), scope: values.scope, conflicts: values.conflicts });
      element.reset();
      go(place('databases', values.name.trim()));
    } },
    field('Name', input('name', { required: true }), 'Lower-case letters, digits and - _ / $ ( ) +; it begins with a letter'),
    radios('scope', 'Where', [['mesh', 'On all your devices'], ['local', 'On this device only']], 'mesh'),
    radios('conflicts', 'When two devices edit a document at once', [['newest', 'The newest edit counts'], ['keep', 'Keep both until the app decides']], 'newest'));
    return [region, section('A new database', make)];
  },
};

function draw({ databases, elsewhere, trash, behind }, changed) {
  const mine = databases.filter((database) => !isSystem(database));
  const own = databases.filter(isSystem);
  return [
    section('Yours', mine.length === 0 ? empty('None yet.') : rows('Databases', mine.map((database) => line(database, behind)))),
    elsewhere.length > 0 && section('On other devices only', rows('On other devices only', elsewhere.map(({ name, scope }) => row({ title: name, about: SCOPES[scope] ?? scope })))),
    trash.length > 0 && section('Trash', rows('Trash', trash.map((trashed) => inTrash(trashed, changed)))),
    more('The hub’s own databases', rows('The hub’s own databases', own.map((database) => line(database, behind)))),
  ];
}

function line(database, behind) {
  const { name, info, scope, conflicts } = database;
  return row({
    title: to(name, 'databases', name),
    mark: [behind.includes(name) && badge('Not yet in step', 'wait'), scope === 'shared' && badge('Shared')],
    about: [
      info && `${plural(info.doc_count, 'document')}, ${size(info.sizes?.file)}`,
      !isSystem(database) && `${SCOPES[scope] ?? scope}; ${POLICIES[conflicts] ?? conflicts}`,
    ],
  });
}

function inTrash({ uuid, name, deleted_at, kept_until, bytes }, changed) {
  return row({
    title: name,
    about: [`${size(bytes)}, deleted ${ago(deleted_at)}`, kept_until && `kept for ${ago(kept_until).replace('in ', '')} more`],
    actions: [
      action('Restore', async () => {
        const { name: restored } = await post(`${at('_hub', 'trash', uuid)}/restore`);
        await changed();
        return restored;
      }, { done: `${name} is back.`, label: `Restore ${name}` }),
      action('Delete for good', async () => {
        if (!await ask({ title: `Delete ${name} for good?`, text: 'Nothing brings it back on this device.', button: 'Delete for good', danger: true, typed: name })) return false;
        await remove(at('_hub', 'trash', uuid));
        return changed();
      }, { kind: 'danger', done: `${name} is gone.`, label: `Delete ${name} for good` }),
    ],
  });
}
