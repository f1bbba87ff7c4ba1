// What takes the space, and how much may.

import { empty, facts, progress, row, rows, section, to } from '../parts.js';
import { figures, isSystem } from './databases.js';
import { budgets } from './budgets.js';
import { get } from '../api.js';
import { h } from '../dom.js';
import { ago, plural, size } from '../format.js';

const SEEN = 'larder-sizes';
const DAY_MS = 86_400_000;
const LISTED = 12;

export default {
  title: () => 'Storage',
  show(scope) {
    const disk = scope.live(async () => {
      const { bytes_on_disk, bytes_free, memory_bytes, backup } = await get('/_hub/status');
      return { bytes_on_disk, bytes_free, memory_bytes, backup };
    }, ({ bytes_on_disk, bytes_free, memory_bytes, backup }) => [
      facts(['Taken by Larder', size(bytes_on_disk)], ['Left on the disk', size(bytes_free)], ['Memory', size(memory_bytes)]),
      backup && h('p', {}, backup.last ? `Last backup ${ago(backup.last.at)}, ${size(backup.last.bytes)}: ${backup.last.file}` : `No backup yet in ${backup.folder}`),
      !backup && h('p.quiet', {}, 'No backups are made unasked; the section [backup] of larder.toml has them made.'),
    ], { every: 10_000 });
    const databases = scope.live(figures, draw, { every: 10_000 });
    return [section('This device', disk), section('What takes the space', databases), section('Budgets', budgets(scope))];
  },
};

function draw({ databases, trash }) {
  const growth = grown(databases);
  const sized = databases.map((database) => ({ ...database, bytes: database.info?.sizes?.file ?? 0 })).sort((a, b) => b.bytes - a.bytes);
  const most = Math.max(1, ...sized.map(({ bytes }) => bytes));
  const bar = (database) => {
    const { name, bytes, info } = database;
    const more = growth[name] && Math.abs(bytes - growth[name].bytes) > 0 ? `, ${bytes >= growth[name].bytes ? '+' : '−'}${size(Math.abs(bytes - growth[name].bytes))} since ${ago(growth[name].at)}` : '';
    return h('div', {}, progress(isSystem(database) ? `${name} (the hub’s own)` : name, bytes, most, `${size(bytes)}, ${plural(info?.doc_count ?? 0, 'document')}${more}`));
  };
  return [
    h('div.bars', {}, sized.slice(0, LISTED).map(bar)),
    sized.length > LISTED && h('p.quiet', {}, `and ${plural(sized.length - LISTED, 'smaller one')}`),
    trash.length > 0 && [h('h3', {}, 'In the trash'), rows('Trash', trash.map(({ name, bytes }) => row({ title: to(name, 'databases'), about: size(bytes) })))],
  ];
}

/** Sizes as this browser saw them a day or longer ago, by name. */
function grown(databases) {
  let seen = {};
  try {
    seen = JSON.parse(localStorage.getItem(SEEN) ?? '{}') ?? {};
  } catch {
    // Then nothing was seen.
  }
  const now = Date.now();
  const next = {};
  const before = {};
  for (const { name, info } of databases) {
    const { old, last } = seen[name] ?? {};
    const current = { at: now, bytes: info?.sizes?.file ?? 0 };
    const turned = last && now - last.at > DAY_MS;
    next[name] = turned ? { old: last, last: current } : { old, last: last ?? current };
    before[name] = turned ? last : old ?? last;
  }
  try {
    localStorage.setItem(SEEN, JSON.stringify(next));
  } catch {
    // Then there is nothing to compare with the next time.
  }
  return before;
}
