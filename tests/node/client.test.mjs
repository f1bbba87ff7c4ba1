// The library for apps, clients/js, with PouchDB: under a key over TLS, and with a token as a page has it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import { tokenFetch } from '../../clients/js/browser.js';
import { enrol, enrolWithCode, findHub, hubFetch, makeKey } from '../../clients/js/index.js';
import { PouchDB, address, cancelled, event, eventually, failure, freshName, hubs, memory, test, winners } from './support.mjs';

const owner = address();
const authorization = `Basic ${btoa(`${owner.username}:${owner.password}`)}`;
const hub = await findHub();
const fetches = [];
after(() => fetches.forEach((fetch) => fetch.close()));

/** A fetch under a key; the hub's, unless another one is expected there. */
function fetchOf(app, hubKey = hub.key) {
  const fetch = hubFetch({ url: hub.url, hubKey, ...app });
  fetches.push(fetch);
  return fetch;
}

async function asOwner(path, method, body) {
  const headers = { authorization, 'content-type': 'application/json' };
  const response = await fetch(`${owner.origin}${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

/** What `larder …` prints. */
function larder(...words) {
  return execFileSync(process.env.LARDER_BIN, words, { encoding: 'utf8' }).trim();
}

/** A database that an app may use: its name, and how the app has it. */
async function databaseFor(app) {
  const name = freshName('app');
  await asOwner(`/${name}`, 'PUT');
  await asOwner(`/${name}/_security`, 'PUT', { members: { names: [app.publicKey], roles: [] } });
  return { name, remote: new PouchDB(`${hub.url}${name}`, { fetch: fetchOf(app) }) };
}

test('a hub is found with its key', async () => {
  assert.match(hub.url, /^https:\/\/(127\.0\.0\.1|localhost):\d+\/$/);
  const response = await fetchOf(makeKey())('/');
  assert.equal((await response.json()).couchdb, 'Welcome');
});

test('documents and attachments go both ways', async () => {
  const { name, remote } = await databaseFor(makeKey());
  const local = memory();
  const data = randomBytes(300_000);
  const files = { 'a.bin': { content_type: 'application/octet-stream', data }, 'a.txt': { content_type: 'text/plain', data: Buffer.from('text '.repeat(9000)) } };
  await local.bulkDocs(Array.from({ length: 250 }, (_, n) => ({ _id: `doc-${n}`, n })));
  await local.put({ _id: 'with files', _attachments: files });
  await local.replicate.to(remote);
  assert.deepEqual(await winners(remote), await winners(local));
  assert.equal(Buffer.compare(await remote.getAttachment('with files', 'a.bin'), data), 0);
  await asOwner(`/${name}/from-owner`, 'PUT', { text: 'é' });
  const other = memory();
  await other.replicate.from(remote);
  assert.deepEqual(await winners(other), await winners(remote));
  assert.equal(Buffer.compare(await other.getAttachment('with files', 'a.txt'), files['a.txt'].data), 0);
});

test('a live sync carries each change, and ends when it is cancelled', async () => {
  const { name, remote } = await databaseFor(makeKey());
  const local = memory();
  const sync = local.sync(remote, { live: true, retry: true });
  await local.put({ _id: 'mine', text: 'a' });
  await eventually(() => remote.get('mine').catch(() => null));
  const pulled = event(sync, 'change', ({ direction }) => direction === 'pull');
  await asOwner(`/${name}/theirs`, 'PUT', { text: 'b' });
  await pulled;
  assert.equal((await local.get('theirs')).text, 'b');
  await cancelled(sync);
});

test('a key gets what it was granted, and no more', async () => {
  const app = makeKey();
  const { name } = await databaseFor(makeKey());
  const fetch = fetchOf(app);
  assert.equal((await fetch(`/${name}`)).status, 404);
  assert.ok((await fetch(`/${name}/doc`, { method: 'PUT', body: '{}' })).status >= 400);
  const { doc_count: count } = await asOwner(`/${name}`, 'GET');
  assert.equal(count, 0);
});

test('an app that its owner lets in may use what it asked for', async () => {
  const [app, name] = [makeKey(), freshName('asks')];
  const asked = { hub, app, name, databases: [{ name, write: true }] };
  await enrol({ ...asked, onWaiting: () => larder('app', 'approve', name) });
  await enrol({ ...asked, onWaiting: assert.fail });
  const remote = new PouchDB(`${hub.url}${name}`, { fetch: fetchOf(app) });
  await remote.put({ _id: 'a' });
  const other = await failure(() => enrol({ ...asked, app: makeKey() }));
  assert.equal(other.code, 'refused');
  larder('app', 'remove', name);
  assert.ok(await failure(() => remote.get('a')));
});

test('an app that its owner refuses stays out', async () => {
  const [app, name] = [makeKey(), freshName('asks')];
  const onWaiting = () => larder('app', 'refuse', name);
  const error = await failure(() => enrol({ hub, app, name, databases: [{ name, write: true }], onWaiting }));
  assert.equal(error.code, 'refused');
});

test('a code lets one app in, once', async () => {
  const [app, name] = [makeKey(), freshName('code')];
  const code = larder('app', 'code', name, '--db', `${name}:rw`);
  const { url, key } = hub;
  const wrong = await failure(() => enrolWithCode({ hub: { url, key }, app, name, code: `${code}x` }));
  assert.equal(wrong.code, 'refused');
  assert.deepEqual(await enrolWithCode({ hub: { url, key }, app, name, code }), [{ name, write: true }]);
  const remote = new PouchDB(`${hub.url}${name}`, { fetch: fetchOf(app) });
  await remote.put({ _id: 'a' });
  const again = await failure(() => enrolWithCode({ hub: { url, key }, app: makeKey(), name, code }));
  assert.equal(again.code, 'refused');
});

test('a hub with another key is not the hub', async () => {
  const error = await failure(() => fetchOf(makeKey(), makeKey().publicKey)('/'));
  assert.equal(error.cause.code, 'wrong_key');
});

test("a page's fetch comes with its token", async () => {
  const name = freshName('page');
  const { token } = await asOwner('/_hub/apps', 'POST', { name, databases: [{ name, write: true }] });
  const remote = new PouchDB(`${hubs[0].replace(/\/\/.*@/, '//')}${name}`, { fetch: tokenFetch({ url: owner.origin, token }) });
  await remote.put({ _id: 'a' });
  const local = memory();
  await local.replicate.from(remote);
  assert.deepEqual(await winners(local), await winners(remote));
});
