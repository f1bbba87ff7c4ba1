// One database: its documents, who else has it, how it is kept.

import { POLICIES, isSystem } from './databases.js';
import { above, action, badge, empty, facts, place, row, rows, section, to } from '../parts.js';
import { ask } from '../dialog.js';
import { backup } from './settings.js';
import { at, get, offered, post, put, query, remove } from '../api.js';
import { field, form, input, radios } from '../form.js';
import { fill, h } from '../dom.js';
import { go } from '../router.js';
import { moment, number, plural, size } from '../format.js';
import { say } from '../notice.js';
import { shareForm, withdraw } from '../share.js';
import { tasks } from './home.js';

const PAGE = 25;
const CONFLICTS_LOOKED = 10_000;
const PREVIEW_CHARACTERS = 160;
const RIGHTS = { read: 'reads', write: 'reads and writes', views: 'reads, writes, and makes views', admin: 'does everything' };
const PARTS = [[undefined, 'Documents'], ['sharing', 'Sharing'], ['keeping', 'Keeping']];

export default {
  title: (name) => name,
  async show(scope, name, part) {
    const show = { undefined: documents, sharing, keeping }[part] ?? documents;
    const tabs = h('nav.tabs', { 'aria-label': 'Parts of this database' }, PARTS.map(([word, text]) =>
      h('a', { href: place('databases', name, ...(word ? [word] : [])), 'aria-current': word === part && 'page' }, text)));
    await get(at(name));
    return [above(to('Databases', 'databases')), tabs, await show(scope, name)];
  },
};

function documents(scope, name) {
  const list = h('div', {});
  const info = scope.live(() => get(at(name)), ({ doc_count, sizes, update_seq }) => {
    load().catch(() => {});
    return h('p.quiet', { 'data-seq': String(update_seq) }, `${plural(doc_count, 'document')}, ${size(sizes?.file)} on the disk`);
  });
  const start = input('start', { type: 'search', 'aria-label': 'Ids that begin with', placeholder: 'Ids that begin with…' });
  // The first id of each page that was left for the next.
  const behind = [];
  let [first, skip] = [undefined, 0];
  let drawn;
  async function load(moved = false) {
    const prefix = start.value;
    const options = { include_docs: true, limit: PAGE + 1, skip };
    const from = first ?? (prefix || undefined);
    if (from !== undefined) options.startkey = JSON.stringify(from);
    if (prefix) options.endkey = JSON.stringify(`${prefix}\ufff0`);
    const { rows: found } = await get(`${at(name, '_all_docs')}${query(options)}`, { signal: scope.signal });
    const text = JSON.stringify(found);
    if (text === drawn && !moved) return;
    drawn = text;
    const shown = found.slice(0, PAGE);
    fill(list,
      shown.length === 0 ? empty(prefix ? 'No id begins so.' : 'No documents.') : rows('Documents', shown.map(line)),
      h('div.buttons', {},
        behind.length > 0 && action('Earlier', () => {
          [first, skip] = behind.pop();
          return load(true);
        }),
        found.length > PAGE && action('Later', () => {
          behind.push([first, skip]);
          [first, skip] = [shown.at(-1).id, 1];
          return load(true);
        })));
  }
  const line = ({ id, value, doc }) => {
    const { _id, _rev, _attachments, ...rest } = doc ?? {};
    const files = Object.keys(_attachments ?? {}).length;
    const text = JSON.stringify(rest);
    return row({
      title: to(id, 'databases', name, 'document', id),
      mark: files > 0 && badge(plural(files, 'attachment')),
      about: text.length > PREVIEW_CHARACTERS ? `${text.slice(0, PREVIEW_CHARACTERS)}…` : text,
    });
  };
  start.addEventListener('input', () => {
    behind.length = 0;
    [first, skip] = [undefined, 0];
    load().catch((error) => fill(list, h('p.warning', {}, error.message)));
  });
  const make = form({ label: 'New document', button: 'New document', quiet: true, submit: async ({ id }) => go(place('databases', name, 'document', id.trim())) },
    field('Its id', input('id', { required: true })));
  return [section('Documents', start, info, list), section('A new document', make), conflicts(scope, name)];
}

function conflicts(scope, name) {
  const found = h('div', { role: 'status' });
  const search = async () => {
    const ids = [];
    let [since, looked, pending] = ['0', 0, 1];
    while (pending > 0 && looked < CONFLICTS_LOOKED) {
      const page = await get(`${at(name, '_changes')}${query({ style: 'all_docs', limit: 1000, since })}`, { signal: scope.signal });
      ids.push(...page.results.filter(({ changes, deleted }) => changes.length > 1 && !deleted).map(({ id }) => id));
      [since, looked, pending] = [page.last_seq, looked + page.results.length, page.pending ?? 0];
      fill(found, h('p', {}, `Looked at ${plural(looked, 'document')}…`));
      if (page.results.length === 0) break;
    }
    const { rows: docs } = ids.length ? await post(`${at(name, '_all_docs')}?include_docs=true&conflicts=true`, { keys: ids.slice(0, 200) }) : { rows: [] };
    const open = docs.filter(({ doc }) => doc?._conflicts?.length > 0);
    fill(found, open.length === 0 ? h('p', {}, 'No conflicts.') : rows('Documents in conflict', open.map(({ id, doc }) =>
      row({ title: to(id, 'databases', name, 'document', id), about: plural(doc._conflicts.length + 1, 'version') }))),
    pending > 0 && h('p.quiet', {}, `Only the first ${number(looked)} were looked at.`));
  };
  return section('Conflicts', h('p', {}, 'Documents of which more than one version counts, since an app keeps conflicts.'), found,
    h('div.buttons', {}, action('Look for conflicts', search)));
}

async function sharing(scope, name) {
  const mine = ({ place: shared }) => shared === name || shared.startsWith(`${name}/`);
  const region = scope.live(async () => {
    const [shares, acl] = await Promise.all([offered('/_hub/shares'), offered('/_hub/acl', {})]);
    return { shares: shares && (shares.shares ?? []).filter(mine), policy: acl.databases?.[name] };
  }, ({ shares, policy }) => [
    shares && (shares.length === 0 ? empty('Shared with nobody.') : rows('Shares', shares.map((share) => row({
      title: share.with.name,
      mark: share.in_step !== undefined && badge(share.in_step ? 'In step' : 'Not yet in step', share.in_step ? 'good' : 'wait'),
      about: [share.place !== name && share.place, RIGHTS[share.right] ?? share.right, share.view?.sentence],
      actions: [action('Withdraw', () => withdraw(share.place, share.with).then(() => region.refresh()), { label: `Withdraw from ${share.with.name}` })],
    })))),
    !shares && lists(policy, name, () => region.refresh()),
  ]);
  return [section('Who else has it', region), section('Share it', await shareForm(name, () => region.refresh()))];
}

/** What lists of rights say, where a hub has no shares. */
function lists(policy, name, changed) {
  const named = Object.entries(policy ?? {}).flatMap(([list, { names = [], roles = [] } = {}]) =>
    [...(names ?? []).map((who) => [list, who]), ...(roles ?? []).map((who) => [list, `group:${who}`])]);
  if (named.length === 0) return empty('On no list but yours.');
  return rows('Lists', named.map(([list, who]) => row({
    title: who,
    about: { members: 'reads', writers: 'reads and writes', admins: 'does everything' }[list] ?? list,
    actions: [action('Withdraw', () => withdraw(name, { name: who }).then(changed), { label: `Withdraw from ${who}` })],
  })));
}

async function keeping(scope, name) {
  const find = async () => (await get('/_hub/dbs')).databases.find((one) => one.name === name);
  const database = await find();
  if (!database) throw new Error('Database does not exist.');
  const region = scope.live(() => get(at(name)), ({ sizes, doc_count, doc_del_count }) => facts(
    ['Documents', number(doc_count)], ['Deleted', number(doc_del_count)], ['On the disk', size(sizes?.file)], ['Of that in use', size(sizes?.active)],
    ['Made', moment(database.created)], ['Id', h('span.mono', {}, database.uuid)]));
  const working = scope.live(async () => (await get('/_active_tasks')).filter((task) => task.database === name).map(({ updated_on, ...task }) => task), tasks, { every: 1500 });
  const compact = action('Compact', async () => {
    await post(at(name, '_compact'));
    await working.refresh();
    await region.refresh();
  }, { done: 'Being compacted.' });
  const parts = [section('Size', region, working, h('p.quiet', {}, 'Compacting gives space back; nobody has to wait for it.'),
    h('div.buttons', {}, compact)),
  section('Back up', h('p', {}, 'A backup holds all databases, this one among them.'), backup('Back up everything'))];
  if (isSystem(database)) return parts;
  const [policy, path = ''] = String(database.conflicts).split(':');
  return [...parts,
    section('Conflicts', form({ label: 'Set the rule', quiet: true, submit: async ({ conflicts: to_, field: pointer }) => {
      await put(at('_hub', 'dbs', name), { conflicts: to_ === 'newest_by' ? `newest_by:${pointer}` : to_ });
      say('Set.');
    } }, radios('conflicts', 'When two devices edit a document at once', [
      ['newest', 'The newest edit counts', 'What loses is kept among the overwritten edits.'],
      ['keep', 'Keep both until the app decides', 'As CouchDB does.'],
      ['newest_by', 'The one with the later time in a field', 'What loses is kept likewise.']], POLICIES[policy] || policy === 'newest_by' ? policy : 'newest'),
    field('That field', input('field', { value: path, placeholder: '/updated' }), 'As a JSON pointer, for instance /updated'))),
    section('Where', form({ label: 'Set the place', quiet: true, submit: async ({ scope: to_ }) => {
      await put(at('_hub', 'dbs', name), { scope: to_ });
      say('Set.');
    } }, radios('scope', 'It is kept', [['mesh', 'on all your devices'], ['local', 'on this device only']], database.scope === 'local' ? 'local' : 'mesh'))),
    await taken(name),
    name.includes('~') && join(name),
    section('Rename', form({ label: 'Rename', quiet: true, submit: async ({ name: to_ }) => {
      await post(`${at('_hub', 'dbs', name)}/rename`, { name: to_ });
      say('Renamed, on all devices.');
      go(place('databases', to_, 'keeping'));
    } }, field('New name', input('name', { value: name, required: true }), 'Apps that know it by the old one have to be told.'))),
    section('Delete', h('p', {}, 'It goes on all your devices, into the trash of each, where it is kept for a while.'),
      h('div.buttons', {}, action('Delete this database', async () => {
        if (!await ask({ title: `Delete ${name}?`, text: 'It goes on all your devices. It can be restored from the trash on the page Databases.', button: 'Delete', danger: true, typed: name })) return;
        await remove(at(name));
        say(`${name} is in the trash.`);
        go('#/databases');
      }, { kind: 'danger' }))),
  ];
}

/** Two devices made one of this name each. */
function join(name) {
  const with_ = name.split('~')[0];
  return section('Join', h('p', {}, `Two devices made a database called ${with_} each. If they are meant to be one, the documents of both come together in ${with_}.`),
    h('div.buttons', {}, action(`Join with ${with_}`, async () => {
      if (!await ask({ title: `Make one of ${name} and ${with_}?`, text: 'It cannot be undone.', button: 'Join' })) return;
      const { name: joined } = await post(`${at('_hub', 'dbs', name)}/join`);
      say('They are one.');
      go(place('databases', joined));
    })));
}

/** What this device takes of a database, where a hub lets that be said. */
async function taken(name) {
  const answer = await offered(`/_hub/rules${query({ db: name })}`);
  if (!answer) return null;
  const rule = (answer.rules ?? []).find((one) => one.this);
  const now = !rule ? 'all' : rule.skip ? 'skip' : rule.selector ? 'selector' : 'small';
  const choices = [['all', 'everything'], ['small', 'documents without large attachments'], ['skip', 'nothing']];
  if (now === 'selector') choices.push(['selector', rule.words ?? 'some documents']);
  return section('What this device takes', form({ label: 'Set what it takes', quiet: true, submit: async ({ what, kb }) => {
    if (what === 'all' && rule) await remove(`/_hub/rules${query({ db: name })}`);
    if (what === 'skip') await put('/_hub/rules', { db: name, skip: true });
    if (what === 'small') await put('/_hub/rules', { db: name, attachment_bytes_max: Math.round(Number(kb) * 1000) });
    say('Set.');
  } }, radios('what', 'Of what your other devices have', choices, now),
  field('Attachments up to, in kilobytes', input('kb', { type: 'number', min: '0', value: String((rule?.attachment_bytes_max ?? 1_000_000) / 1000) }), 'For documents without large attachments')));
}
