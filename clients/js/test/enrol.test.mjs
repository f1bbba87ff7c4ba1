// Being let in: by the owner, over the control socket, or by a code.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { enrol, enrolWithCode, makeKey } from '../index.js';
import { callerOf, failure, standIn } from './stand_in.mjs';

const app = makeKey();
const databases = [{ name: 'notes', write: true }];

/** A control socket that gives these answers, each once, and keeps what it was asked. */
async function controlSocket(t, answers) {
  const folder = await mkdtemp(join(tmpdir(), 'larder-client-'));
  const asked = [];
  const server = createServer(async (request, response) => {
    asked.push([request.method, request.url, request.method === 'POST' ? await json(request) : null]);
    const [status, answer] = answers.shift();
    response.writeHead(status).end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  const path = join(folder, 'control.sock');
  server.listen(path);
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });
  return { hub: { controlSocket: path }, asked };
}

test('an app waits until its owner approves', async (t) => {
  const { hub, asked } = await controlSocket(t, [[202, { ok: true, state: 'waiting' }], [200, { state: 'approved' }]]);
  let waited = 0;
  await enrol({ hub, app, name: 'notes-app', databases, onWaiting: () => { waited += 1; } });
  assert.equal(waited, 1);
  assert.deepEqual(asked, [
    ['POST', '/_hub/enrolments', { name: 'notes-app', key: app.publicKey, databases }],
    ['GET', '/_hub/enrolments/notes-app', null],
  ]);
});

test('an app that was approved before does not wait', async (t) => {
  const { hub, asked } = await controlSocket(t, [[202, { ok: true, state: 'approved' }]]);
  await enrol({ hub, app, name: 'notes-app', databases, onWaiting: assert.fail });
  assert.equal(asked.length, 1);
});

test('refusals, nonsense and absence', async (t) => {
  const code = async (hub) => (await failure(() => enrol({ hub, app, name: 'notes-app', databases }))).code;
  const answers = [[202, { state: 'refused' }], [409, { error: 'conflict', reason: 'taken' }], [200, 'nonsense']];
  const { hub } = await controlSocket(t, answers);
  assert.deepEqual([await code(hub), await code(hub), await code(hub)], ['refused', 'refused', 'unreachable']);
  assert.equal(await code({ controlSocket: `${hub.controlSocket}-gone` }), 'unreachable');
});

test('waiting can be given up', async (t) => {
  const { hub } = await controlSocket(t, [[202, { ok: true, state: 'waiting' }]]);
  const controller = new AbortController();
  const onWaiting = () => controller.abort();
  const error = await failure(() => enrol({ hub, app, name: 'a', databases, onWaiting, signal: controller.signal }));
  assert.equal(error.name, 'AbortError');
});

test('a code lets an app in, under its own certificate', async (t) => {
  const stand = await standIn(t, async (request, response) => {
    const { code, name } = await json(request);
    const known = code === '123' && callerOf(request) === app.publicKey && request.url === '/_hub/enrol';
    response.writeHead(known ? 201 : 403).end(JSON.stringify(known ? { ok: true, name, databases } : { reason: 'no such code' }));
  });
  const hub = { url: stand.url, key: stand.identity.publicKey };
  assert.deepEqual(await enrolWithCode({ hub, app, name: 'notes-app', code: '123' }), databases);
  const refusal = await failure(() => enrolWithCode({ hub, app, name: 'notes-app', code: '124' }));
  assert.deepEqual([refusal.code, refusal.message], ['refused', 'the hub answered 403: no such code']);
});
