// How much others may bring, and how much they have brought.

import { action, empty, facts, row, rows } from '../parts.js';
import { field, form, input, select } from '../form.js';
import { h } from '../dom.js';
import { offered, put, query, remove } from '../api.js';
import { say } from '../notice.js';
import { size } from '../format.js';

const MB = 1_000_000;

/** What is set, what is charged, and a form that sets another. */
export function budgets(scope) {
  const region = scope.live(() => offered('/_hub/quotas'), (data) => draw(data, () => region.refresh()), { every: 15_000 });
  const place = h('div', {});
  people().then((known) => known && place.append(setting(known, () => region.refresh())), () => {});
  return [region, place];
}

async function people() {
  if (!await offered('/_hub/quotas')) return null;
  const [friends, apps] = await Promise.all([offered('/_hub/friends', {}), offered('/_hub/apps', {})]);
  return [['', 'all friends together'], ...(friends.friends ?? []).map(({ key, name }) => [key, name]), ...(apps.apps ?? []).map(({ name }) => [name, `app ${name}`])];
}

function draw(data, changed) {
  if (!data) return empty('This hub does not offer budgets; the section [mesh] of larder.toml bounds what comes in an hour.');
  const { quotas = [], charged = [], postponed = [], friend_bytes_max, database_bytes_max } = data;
  const limit = (bytes) => (Number.isFinite(bytes) ? size(bytes) : 'no limit');
  return [
    facts(['A friend may bring', friend_bytes_max !== undefined && limit(friend_bytes_max)], ['Into one database', database_bytes_max !== undefined && limit(database_bytes_max)]),
    postponed.map(({ name, database, documents = [] }) => h('p.care', {}, `For want of room some of ${database} from ${name} was left out: ${documents.slice(0, 5).join(', ')}`)),
    quotas.length > 0 && [h('h3', {}, 'Set otherwise'), rows('Budgets', quotas.map((quota) => {
      const whose = `${quota.name ?? 'All friends'}${quota.database ? `, in ${quota.database}` : ''}`;
      return row({ title: whose, about: limit(quota.bytes_max), actions: [action('Remove', async () => {
        await remove(`/_hub/quotas${query({ who: quota.who ?? '', db: quota.db ?? '' })}`);
        await changed();
      }, { label: `Remove the budget of ${whose}` })] });
    }))],
    charged.length > 0 && [h('h3', {}, 'Brought so far'), rows('Brought so far', charged.map(({ name, bytes }) => row({ title: name, about: size(bytes) })))],
  ];
}

function setting(known, changed) {
  return form({ label: 'Set a budget', quiet: true, submit: async (values) => {
    await put('/_hub/quotas', { ...(values.who ? { who: values.who } : {}), ...(values.db ? { db: values.db.trim() } : {}), bytes_max: values.mb === '' ? null : Math.round(Number(values.mb) * MB) });
    say('Set.');
    changed();
  } }, h('div.together', {}, field('For', select('who', known)), field('In the database', input('db'), 'Leave empty for all'),
    field('Megabytes', input('mb', { type: 'number', min: '0', step: 'any' }), 'Leave empty for no limit')));
}
