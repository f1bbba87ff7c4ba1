// Who read what, what is under way, and what has happened.

import { moment, plural, short } from '../format.js';
import { empty, row, rows, section } from '../parts.js';
import { field, input } from '../form.js';
import { get, offered, query } from '../api.js';
import { h } from '../dom.js';
import { recent } from '../feed.js';
import { tasks } from './home.js';

const LIMIT = 100;

export default {
  title: () => 'Activity',
  show(scope) {
    const who = input('who', { type: 'search' });
    const db = input('db', { type: 'search' });
    const load = async () => {
      const names = await people();
      const answer = await offered(`/_hub/reads${query({ db: db.value.trim(), who: who.value.trim(), limit: LIMIT })}`);
      const reads = answer ? answer.reads ?? [] : await noted(db.value.trim(), who.value.trim(), names);
      return reads.slice(0, LIMIT).map((read) => ({ ...read, name: read.who?.name || names.get(read.key) || short(read.who?.key ?? read.key, 16) }));
    };
    const reads = scope.live(load, draw);
    for (const control of [who, db]) control.addEventListener('input', () => reads.refresh());
    return [
      section('Who read what', h('div.together', {}, field('By', who), field('Of the database', db)), reads),
      section('Under way', scope.live(async () => (await get('/_active_tasks')).map(({ updated_on, ...task }) => task),
        (list) => (list.length === 0 ? empty('Nothing.') : tasks(list)), { every: 1500 })),
      section('Since you opened this page', scope.live(async () => {
        const names = await people();
        return recent.map((event) => ({ ...event, peer: names.get(event.peer) ?? short(event.peer) }));
      }, happened, { every: 0 })),
    ];
  },
};

async function people() {
  const [devices, friends] = await Promise.all([offered('/_hub/devices', {}), offered('/_hub/friends', {})]);
  return new Map([...(devices.devices ?? []), ...(friends.friends ?? [])].map(({ key, name }) => [key, name]));
}

/** The same from the database in which it is noted. */
async function noted(db, who, names) {
  const { rows: found } = await get(`/_reads/_all_docs${query({ include_docs: true, descending: true, limit: 10 * LIMIT })}`);
  const docs = found.map(({ doc }) => doc).filter((doc) => doc?.key);
  return docs.filter((doc) => (!db || doc.database === db) && (!who || doc.key.startsWith(who) || names.get(doc.key) === who));
}

function draw(reads) {
  if (reads.length === 0) return empty('Nobody but your own apps.');
  return rows('Reads', reads.map((read) => row({
    title: `${read.name} read ${read.database}${read.view ? `, view ${read.view}` : ''}`,
    about: `${plural(read.documents ?? 0, 'document')} in ${plural(read.reads ?? 1, 'request')}; ${moment(read.first)}${read.last !== read.first ? ` to ${moment(read.last)}` : ''}`,
  })));
}

function happened(events) {
  const sentences = {
    connected: ({ peer, onion }) => `${peer} was reached${onion ? ' through Tor' : ''}`,
    disconnected: ({ peer, reason }) => `${peer} is gone${reason ? `: ${reason}` : ''}`,
    in_step: ({ peer, db }) => `A database is in step with ${peer} (${short(db)})`,
    failed: ({ peer, db, reason }) => `${db} could not be fetched from ${peer}: ${reason}`,
  };
  if (events.length === 0) return empty('Nothing yet.');
  return rows('Events', events.map((event) => row({ title: sentences[event.event]?.(event) ?? String(event.event), about: moment(event.at) })));
}
