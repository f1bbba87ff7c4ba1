// Whether everything is in step, and if not, why.

import { ago, duration, number, plural, size } from '../format.js';
import { badge, progress, row, rows, section, to, toButton, toMain } from '../parts.js';
import { get, offered } from '../api.js';
import { h } from '../dom.js';

const STAGES = ['starting', 'bootstrapping', 'publishing', 'checking', 'reachable'];

/** How the way into Tor stands, with a bar while it is on its way. */
export function tor(onion = {}, paused = false) {
  if (paused) return h('p', {}, badge('Paused', 'wait'), ' Nothing goes through Tor until you let it.');
  if (!onion.stage || onion.mode === 'off' || onion.stage === 'off') return h('p', {}, badge('Off'), ' This hub is not reached through Tor, and reaches nobody that way.');
  if (onion.stage === 'reachable') return h('p', {}, badge('Reachable', 'good'), ' Others reach this hub wherever it is.');
  const at = STAGES.indexOf(onion.stage);
  if (at < 0) return h('p.care', {}, onion.detail ?? onion.stage, onion.last_error?.text && `: ${onion.last_error.text}`);
  const done = at * 100 + (onion.percent ?? 0);
  return [
    progress(`Tor: ${onion.detail ?? onion.stage}`, done, (STAGES.length - 1) * 100, `step ${at + 1} of ${STAGES.length}`),
    onion.hint && h('p.care', {}, onion.hint),
  ];
}

/** Databases that are being fetched from another hub. */
export function pulls(peers = []) {
  return peers.flatMap((peer) => (peer.pulls ?? []).map((pull) => {
    const far = pull.documents_total
      ? `${number(pull.documents)} of ${plural(pull.documents_total, 'document')}, ${size(pull.bytes)}`
      : `${plural(pull.documents, 'document')}, ${size(pull.bytes)}`;
    const left = Number.isFinite(pull.seconds_left) ? `, about ${duration(pull.seconds_left)} left` : '';
    return progress(`${pull.db} from ${peer.name}`, pull.documents, pull.documents_total, far + left);
  }));
}

/** Work in the background. */
export function tasks(list = []) {
  return list.map((task) => {
    const what = { database_compaction: 'Compacting', indexer: 'Building an index of', view_compaction: 'Compacting indexes of', backup: 'Backing up' }[task.type] ?? String(task.type).replaceAll('_', ' ');
    const about = task.database ?? task.source ?? '';
    const design = task.design_document ? ` (${String(task.design_document).replace('_design/', '')})` : '';
    const known = Number.isFinite(task.progress) && task.type !== 'replication';
    const pending = task.type === 'replication' && task.changes_pending ? `${plural(task.changes_pending, 'change')} to go` : '';
    return progress(`${what} ${about}${design}`, task.progress, known ? 100 : undefined, known ? `${task.progress} %` : pending);
  });
}

/** How many of a person's databases are in step; of the hub's own only where they are not. */
export function far({ offered, in_step, system } = {}) {
  return [offered > 0 && `${in_step} of ${plural(offered, 'database')} in step`, system?.in_step < system?.offered && 'the hub’s own are not yet'].filter(Boolean).join(', ');
}

/** How another hub stands, in a few words. */
export function standing(peer) {
  const words = { connected: ['Connected', 'good'], dialling: ['Being reached', 'wait'], waiting: ['Not reached', 'wait'], nowhere: ['No address', 'wait'], refused_here: ['Blocked', 'bad'] };
  const [text, kind] = words[peer?.state] ?? ['Unknown', 'plain'];
  return badge(peer?.way && peer.state === 'connected' ? `${text}, ${peer.way === 'onion' ? 'through Tor' : 'local network'}` : text, kind);
}

async function load() {
  const [status, why, devices, requests, invitations, enrolments, overwritten, dbs] = await Promise.all([
    get('/_hub/status'), get('/_hub/why'), offered('/_hub/devices', {}), offered('/_hub/requests', {}),
    offered('/_hub/invitations', {}), get('/_hub/enrolments'), get('/_hub/overwritten'), get('/_hub/dbs'),
  ]);
  const { peers = [], onion = {}, active_tasks = [], disk_full, backup, held = [], paused = {}, conflicts } = status;
  return {
    peers: peers.map(({ last_seen, next_try, ...peer }) => ({ ...peer, seen: peer.state === 'connected' ? '' : ago(last_seen) })),
    onion: { mode: onion.mode, stage: onion.stage, detail: onion.detail, percent: onion.percent, hint: onion.hint, last_error: onion.last_error },
    tasks: active_tasks.map(({ updated_on, ...task }) => task),
    disk_full, undecided: conflicts?.undecided ?? 0, failed: backup?.failed?.reason, held: held.length, paused,
    // What is left out since the owner wants that is no reason to look.
    reasons: why.in_step ? [] : why.reasons.filter(({ code }) => code !== 'no_peers'),
    alone: why.reasons.some(({ code }) => code === 'no_peers'),
    alarms: devices.alarms ?? [],
    waiting: {
      requests: (requests.requests ?? []).length,
      invitations: (invitations.invitations ?? []).filter(({ here, declined }) => !here && !declined).length,
      apps: Object.values(enrolments.enrolments).filter(({ state }) => state === 'waiting').length,
      edits: overwritten.overwritten.filter(({ attention }) => attention).length,
    },
    fresh: dbs.databases.every(({ system, name }) => system || name.startsWith('_')) && dbs.trash.length === 0,
  };
}

function draw(data) {
  if (data.fresh && data.alone && !welcomed()) {
    return h('section.card.good', {}, h('p.lead', {}, 'Welcome.'), h('p', {}, 'This hub is new. A few steps make it yours.'),
      h('div.buttons', {}, toMain('Begin', 'welcome')));
  }
  const { waiting } = data;
  const asks = [
    [waiting.requests, 'person asks', 'people ask', 'to be your friend', 'people'],
    [waiting.invitations, 'database is', 'databases are', 'offered to you', 'people'],
    [waiting.apps, 'app asks', 'apps ask', 'to be let in', 'apps'],
    [data.undecided, 'document needs', 'documents need', 'your decision', 'overwritten'],
    [waiting.edits, 'edit', 'edits', 'lost to later ones with much in them', 'overwritten'],
  ].filter(([count]) => count > 0);
  const busy = [...pulls(data.peers), ...tasks(data.tasks)];
  return [
    alarms(data),
    step(data),
    asks.length > 0 && section('Waiting for you', rows('Waiting for you', asks.map(([count, one, many, rest, where]) =>
      row({ title: to(`${plural(count, one, many)} ${rest}`, where) })))),
    busy.length > 0 && section('Under way', busy),
    h('div.grid', {},
      section('Devices and friends', data.peers.length === 0
        ? [h('p', {}, 'Nobody else yet. What you write here is on this device only.'), h('div.buttons', {}, toButton('Add a device', 'pair', 'device'), toButton('Add a friend', 'pair', 'friend'))]
        : rows('Devices and friends', data.peers.map((peer) => row({
          title: to(peer.name, peer.kind === 'friend' ? 'people' : 'devices', peer.key),
          mark: standing(peer),
          about: [peer.state !== 'connected' && `Last reached: ${peer.seen}`, far(peer.databases)],
        })))),
      section('Tor', tor(data.onion, data.paused.onion))),
  ];
}

function alarms(data) {
  const sentences = [
    ...data.alarms.map(({ sentence }) => sentence),
    data.disk_full && 'The disk of this device is full: nothing more is written until there is room.',
    data.failed && `The last backup failed: ${data.failed}`,
    data.held > 0 && 'Edits of a device whose clock is ahead wait for their time.',
    data.paused.sync && 'Sync is paused: nothing comes and nothing goes until you let it, in Settings.',
  ].filter(Boolean);
  return sentences.map((sentence) => h('p.warning', {}, sentence));
}

function step({ alone, reasons }) {
  if (alone) return h('section.card.good', {}, h('p.lead', {}, 'Everything is here.'), h('p.quiet', {}, 'This is the only device so far.'));
  if (reasons.length === 0) return h('section.card.good', {}, h('p.lead', {}, 'Everything is in step.'), h('p.quiet', {}, 'All devices and friends that share something with you have the newest of it, as far as is known.'));
  const shown = reasons.slice(0, 30).map(({ sentence, doc }) => h('li', {}, sentence, doc && h('span.quiet', {}, ` (${doc})`)));
  return h('section.card.wait', {}, h('p.lead', {}, 'Not everything is in step.'), h('ul', {}, shown),
    reasons.length > 30 && h('p.quiet', {}, `and ${number(reasons.length - 30)} more`));
}

function welcomed() {
  try {
    return localStorage.getItem('larder-welcomed') === 'yes';
  } catch {
    return true;
  }
}

export default {
  title: () => 'Home',
  show: (scope) => scope.live(load, draw, { every: 4000 }),
};
