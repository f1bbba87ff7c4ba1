// pouchdb-find 9 over HTTP: indexes made, listed, used, explained and deleted.

import assert from 'node:assert/strict';
import find from 'pouchdb-find';
import { PouchDB, failure, memory, remote, test } from './support.mjs';

PouchDB.plugin(find);

const GAMES = [
  { _id: 'dk', name: 'Donkey Kong', series: 'DK', debut: 1981, tags: ['ape', 'barrel'] },
  { _id: 'falcon', name: 'Captain Falcon', series: 'F-Zero', debut: 1990, tags: [] },
  { _id: 'fox', name: 'Fox', series: 'Star Fox', debut: 1993, tags: ['ape'] },
  { _id: 'kirby', name: 'Kirby', series: 'Kirby', debut: 1992, dream: { land: 2 } },
  { _id: 'link', name: 'Link', series: 'Zelda', debut: 1986, dream: { land: null } },
  { _id: 'luigi', name: 'Luigi', series: 'Mario', debut: 1983 },
  { _id: 'mario', name: 'Mario', series: 'Mario', debut: 1981 },
  { _id: 'none', name: 'nobody' },
];

async function filled(db = remote()) {
  await db.bulkDocs(GAMES);
  return db;
}

const ids = ({ docs }) => docs.map(({ _id }) => _id);

test('createIndex makes an index once, and getIndexes lists it', async () => {
  const db = await filled();
  const made = await db.createIndex({ index: { fields: ['debut'] } });
  assert.equal(made.result, 'created');
  assert.match(made.id, /^_design\//);
  assert.ok(made.name);
  const again = await db.createIndex({ index: { fields: ['debut'] } });
  assert.deepEqual(again, { ...made, result: 'exists' });
  const named = { fields: ['series', 'debut'], name: 'both', ddoc: 'by-series', type: 'json' };
  assert.equal((await db.createIndex({ index: named })).id, '_design/by-series');
  const { total_rows: total, indexes } = await db.getIndexes();
  assert.equal(total, 3);
  assert.deepEqual(indexes[0], {
    ddoc: null, name: '_all_docs', type: 'special', def: { fields: [{ _id: 'asc' }] },
  });
  const both = indexes.find(({ name }) => name === 'both');
  assert.deepEqual(both.def.fields, [{ series: 'asc' }, { debut: 'asc' }]);
});

test('find answers by an index, in its order, in part', async () => {
  const db = await filled();
  await db.createIndex({ index: { fields: ['debut'] } });
  await db.createIndex({ index: { fields: ['series', 'debut'] } });
  const all = await db.find({ selector: { debut: { $gt: null } }, sort: ['debut'] });
  assert.deepEqual(ids(all), ['dk', 'mario', 'luigi', 'link', 'falcon', 'kirby', 'fox']);
  assert.equal(all.warning, undefined);
  const some = await db.find({
    selector: { debut: { $gte: 1983 } }, sort: [{ debut: 'desc' }], limit: 2, skip: 1,
    fields: ['_id', 'dream.land'],
  });
  assert.deepEqual(some.docs, [{ _id: 'kirby', dream: { land: 2 } }, { _id: 'falcon' }]);
  const mario = await db.find({
    selector: { series: 'Mario', debut: { $gt: null } }, sort: [{ series: 'desc' }, { debut: 'desc' }],
  });
  assert.deepEqual(ids(mario), ['luigi', 'mario']);
  const whole = await db.find({ selector: { _id: 'fox' } });
  assert.deepEqual(whole.docs, [await db.get('fox')]);
});

test('find pages by bookmarks', async () => {
  const db = await filled();
  await db.createIndex({ index: { fields: ['name'] } });
  const seen = [];
  let bookmark;
  for (;;) {
    const page = await db.find({ selector: { name: { $gt: null } }, limit: 3, bookmark });
    if (page.docs.length === 0) break;
    seen.push(...ids(page));
    ({ bookmark } = page);
  }
  assert.deepEqual(seen, ['falcon', 'dk', 'fox', 'kirby', 'link', 'luigi', 'mario', 'none']);
});

// PouchDB takes a field that is not there for one that differs; CouchDB does not.
const SELECTORS = [
  { series: 'Mario' },
  { series: { $eq: 'Mario' }, debut: { $lt: 1983 } },
  { debut: { $ne: 1981, $exists: true } },
  { debut: { $in: [1981, 1992] } },
  { debut: { $nin: [1981, 1992], $exists: true } },
  { debut: { $exists: false } },
  { debut: { $mod: [10, 1] } },
  { debut: { $type: 'number' } },
  { name: { $regex: '^[KL]' } },
  { tags: { $all: ['ape', 'barrel'] } },
  { tags: { $size: 1 } },
  { tags: { $elemMatch: { $eq: 'ape' } } },
  { 'dream.land': null },
  { 'dream.land': { $gte: 1 } },
  { $or: [{ series: 'Mario' }, { debut: 1993 }] },
  { $nor: [{ series: 'Mario' }, { debut: { $gt: 1985 } }], debut: { $gt: 0 } },
  { $not: { debut: { $gt: 1985 } }, debut: { $gt: 0 } },
  { $and: [{ debut: { $gt: 1981 } }, { debut: { $lt: 1990 } }] },
  { _id: { $gt: 'f', $lt: 'l' } },
];

test('a hub and a local database find the same', async () => {
  const [hub, local] = await Promise.all([filled(), filled(memory())]);
  for (const selector of SELECTORS) {
    const [there, here] = await Promise.all([hub, local].map((db) => db.find({ selector })));
    assert.deepEqual(ids(there), ids(here), JSON.stringify(selector));
  }
});

test('explain names the index, and how it is read', async () => {
  const db = await filled();
  const { name } = await db.createIndex({ index: { fields: ['debut'] } });
  const told = await db.explain({ selector: { debut: { $gt: 1985 } }, sort: ['debut'], limit: 5 });
  assert.equal(told.index.name, name);
  assert.deepEqual(told.selector, { debut: { $gt: 1985 } });
  assert.deepEqual([told.limit, told.skip, told.opts.sort], [5, 0, { debut: 'asc' }]);
  assert.deepEqual(told.mrargs.start_key, [1985]);
  const plain = await db.explain({ selector: { name: 'x' } });
  assert.equal(plain.index.type, 'special');
});

test('use_index is followed where it can be', async () => {
  const db = await filled();
  for (const ddoc of ['one', 'two']) {
    await db.createIndex({ index: { fields: ['debut'], ddoc, name: ddoc } });
  }
  for (const used of ['two', '_design/two', ['two', 'two']]) {
    const told = await db.explain({ selector: { debut: 1981 }, use_index: used });
    assert.equal(told.index.ddoc, '_design/two');
    assert.deepEqual(ids(await db.find({ selector: { debut: 1981 }, use_index: used })), ['dk', 'mario']);
  }
  const other = await db.find({ selector: { name: 'Fox' }, use_index: 'two' });
  assert.deepEqual(ids(other), ['fox']);
  assert.match(other.warning, /^_design\/two was not used/);
});

test('a partial index holds what its selector lets in', async () => {
  const db = await filled();
  const index = {
    fields: ['debut'], ddoc: 'late', partial_filter_selector: { debut: { $gt: 1989 } },
  };
  await db.createIndex({ index });
  const found = await db.find({ selector: { debut: { $gt: 0 } }, use_index: 'late' });
  assert.deepEqual(ids(found), ['falcon', 'kirby', 'fox']);
});

test('deleteIndex takes an index away', async () => {
  const db = await filled();
  await db.createIndex({ index: { fields: ['debut'], ddoc: 'd', name: 'n' } });
  const { indexes } = await db.getIndexes();
  assert.deepEqual(await db.deleteIndex(indexes[1]), { ok: true });
  assert.equal((await db.getIndexes()).indexes.length, 1);
  const error = await failure(() => db.deleteIndex(indexes[1]));
  assert.deepEqual([error.status, error.error, error.reason], [404, 'not_found', 'missing']);
});

test('what cannot be asked is refused', async () => {
  const db = await filled();
  const sorted = { selector: { debut: { $gt: 0 } }, sort: ['debut'] };
  const error = await failure(() => db.find(sorted));
  assert.deepEqual([error.status, error.error], [400, 'no_usable_index']);
  const operator = await failure(() => db.find({ selector: { debut: { $bogus: 1 } } }));
  assert.deepEqual([operator.status, operator.error], [400, 'invalid_operator']);
  const fields = await failure(() => db.createIndex({ index: { fields: [''] } }));
  assert.equal(fields.status, 400);
});

test('an index follows what replication brings', async () => {
  const [source, target] = [await filled(memory()), remote()];
  await target.createIndex({ index: { fields: ['debut'] } });
  const selector = { debut: 1981 };
  assert.deepEqual(ids(await target.find({ selector })), []);
  await source.replicate.to(target);
  assert.deepEqual(ids(await target.find({ selector })), ['dk', 'mario']);
  await source.remove(await source.get('dk'));
  await source.replicate.to(target);
  assert.deepEqual(ids(await target.find({ selector })), ['mario']);
});
