// The `fetch` for Node: one hub, pinned by its key, streaming both ways.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { hubFetch, makeKey } from '../index.js';
import { callerOf, failure, standIn } from './stand_in.mjs';

const app = makeKey();

function fetchOf(t, stand, changed = {}) {
  const fetch = hubFetch({ url: stand.url, hubKey: stand.identity.publicKey, ...app, ...changed });
  t.after(() => fetch.close());
  return fetch;
}

test('the hub knows the app by its key, and connections are kept', async (t) => {
  const stand = await standIn(t, (request, response) => response.end(callerOf(request)));
  const fetch = fetchOf(t, stand);
  for (const address of ['/', `${stand.url}notes`, new URL(stand.url), new Request(stand.url)]) {
    assert.equal(await (await fetch(address)).text(), app.publicKey);
  }
  assert.deepEqual([stand.requests, stand.connections], [4, 1]);
});

test('an onion service is not looked up', () => {
  for (const host of ['a.onion', 'A.b.Onion.', 'a%2Eonion:1', 'onion']) {
    const refused = () => hubFetch({ url: `https://${host}/`, hubKey: makeKey().publicKey, ...app });
    assert.throws(refused, { code: 'misuse' }, host);
  }
});

test('whoever holds another key gets no request', async (t) => {
  const squatter = await standIn(t, (_, response) => response.end('mine'));
  const fetch = fetchOf(t, squatter, { hubKey: makeKey().publicKey });
  const error = await failure(() => fetch('/notes', { method: 'POST', body: 'a secret' }));
  assert.ok(error instanceof TypeError);
  assert.equal(error.cause.code, 'wrong_key');
  assert.equal(squatter.requests, 0);
});

test("a squatter who shows the hub's certificate behind its own gets no request", async (t) => {
  const hub = makeKey();
  const squatter = makeKey();
  const forged = { ...squatter, certificate: squatter.certificate + hub.certificate };
  const stand = await standIn(t, (_, response) => response.end('mine'), { identity: forged });
  const error = await failure(() => fetchOf(t, stand, { hubKey: hub.publicKey })('/'));
  assert.equal(error.cause.code, 'wrong_key');
  assert.equal(stand.requests, 0);
});

test('a squatter without TLS sees no request', async (t) => {
  const seen = [];
  const squatter = createServer((socket) => {
    socket.on('error', () => {}).on('data', (data) => seen.push(data)).end('HTTP/1.1 200 OK\r\n\r\n');
  }).listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  t.after(() => squatter.close());
  const url = `https://127.0.0.1:${squatter.address().port}/`;
  const error = await failure(() => fetchOf(t, { url, identity: makeKey() })('/', { method: 'PUT', body: 'a secret' }));
  assert.equal(error.cause.code, 'unreachable');
  assert.ok(!Buffer.concat(seen).includes('a secret'));
});

test('a hub that has gone is told apart', async (t) => {
  const stand = await standIn(t, (request) => request.socket.destroy());
  const fetch = fetchOf(t, stand);
  assert.equal((await failure(() => fetch('/'))).cause.code, 'unreachable');
});

test('other addresses are refused', async (t) => {
  const stand = await standIn(t, (_, response) => response.end());
  const fetch = fetchOf(t, stand);
  for (const other of ['https://127.0.0.1:1/', 'http://127.0.0.1/', '//example.com/', stand.url.replace('https', 'http')]) {
    assert.equal((await failure(() => fetch(other))).cause.code, 'misuse');
  }
  assert.equal(stand.requests, 0);
  assert.throws(() => fetchOf(t, { ...stand, url: 'http://127.0.0.1/' }), { code: 'misuse' });
  assert.throws(() => fetchOf(t, stand, { hubKey: 'x' }), { code: 'misuse' });
});

test('redirects are not followed', async (t) => {
  const stand = await standIn(t, (_, response) => response.writeHead(302, { location: 'https://example.com/' }).end());
  const fetch = fetchOf(t, stand);
  assert.equal((await failure(() => fetch('/'))).cause.code, 'refused');
  assert.equal((await fetch('/', { redirect: 'manual' })).status, 302);
});

test('the certificate is the only proof, and answers come as they are', async (t) => {
  const stand = await standIn(t, (request, response) => response.end(JSON.stringify(request.headers)));
  const headers = { authorization: 'Bearer x', cookie: 'a=b', origin: 'https://x', 'accept-encoding': 'gzip', 'x-kept': '1' };
  const seen = await (await fetchOf(t, stand)('/', { headers })).json();
  const unwanted = ['authorization', 'cookie', 'origin', 'accept-encoding'].filter((name) => name in seen);
  assert.deepEqual([unwanted, seen['x-kept']], [[], '1']);
});

test('bodies of every kind arrive whole', async (t) => {
  const stand = await standIn(t, async (request, response) => {
    const body = await buffer(request);
    response.end(JSON.stringify({ bytes: body.length, declared: request.headers['content-length'] ?? null }));
  });
  const fetch = fetchOf(t, stand);
  const sent = async (body) => (await fetch('/', { method: 'POST', body })).json();
  for (const body of ['x'.repeat(9), Buffer.alloc(9), new Blob(['x'.repeat(9)]), new Uint8Array(9)]) {
    assert.deepEqual(await sent(body), { bytes: 9, declared: '9' });
  }
  const large = new Blob([Buffer.alloc(3_000_000)]).stream();
  assert.deepEqual(await sent(large), { bytes: 3_000_000, declared: null });
  const request = new Request(stand.url, { method: 'POST', body: 'four' });
  assert.deepEqual(await (await fetch(request)).json(), { bytes: 4, declared: null });
});

test('answers without a body, failures and headers', async (t) => {
  const stand = await standIn(t, ({ url, method }, response) => {
    const status = Number(url.slice(1));
    response.writeHead(status, { 'x-a': 'b', 'content-type': 'application/json' });
    response.end(method === 'HEAD' || status === 304 ? undefined : '{"ok": false}');
  });
  const fetch = fetchOf(t, stand);
  assert.equal((await fetch('/304')).status, 304);
  const head = await fetch('/200', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('x-a'), await head.text()], [200, 'b', '']);
  const missing = await fetch('/404');
  assert.deepEqual([missing.ok, missing.status, missing.url], [false, 404, `${stand.url}404`]);
  assert.deepEqual(await missing.json(), { ok: false });
  assert.ok(Buffer.isBuffer(await (await fetch('/200')).buffer()));
});

test('a feed comes line by line, and ends when it is aborted', async (t) => {
  let closed;
  const stand = await standIn(t, (request, response) => {
    closed = once(request.socket, 'close');
    response.write('{"seq": 1}\n');
  });
  const controller = new AbortController();
  const response = await fetchOf(t, stand)('/notes/_changes', { signal: controller.signal });
  const reader = response.body.getReader();
  assert.equal(Buffer.from((await reader.read()).value).toString(), '{"seq": 1}\n');
  controller.abort();
  assert.equal((await failure(() => reader.read())).name, 'AbortError');
  await closed;
});

test('what is aborted before it is answered rejects', async (t) => {
  const controller = new AbortController();
  let closed;
  const stand = await standIn(t, (request) => {
    closed = once(request.socket, 'close');
    controller.abort(new Error('enough'));
  });
  const fetch = fetchOf(t, stand);
  assert.equal((await failure(() => fetch('/', { signal: controller.signal }))).message, 'enough');
  await closed;
  assert.equal((await failure(() => fetch('/', { signal: controller.signal }))).message, 'enough');
  assert.equal(stand.requests, 1);
});

test('an answer that breaks off breaks its reader off', async (t) => {
  const stand = await standIn(t, (request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half', () => request.socket.destroy());
  });
  const response = await fetchOf(t, stand)('/');
  assert.ok(await failure(() => text(response.body)) instanceof Error);
});

test('TLS that is older is refused', async (t) => {
  const old = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' };
  const stand = await standIn(t, (_, response) => response.end(), { tls: old });
  assert.equal((await failure(() => fetchOf(t, stand)('/'))).cause.code, 'unreachable');
});

test('a handshake that ends early is no answer', async (t) => {
  const stand = await standIn(t, (_, response) => response.end());
  const relay = createServer((socket) => {
    const onward = connect(new URL(stand.url).port, '127.0.0.1');
    socket.on('error', () => {}).pipe(onward).on('error', () => {});
    onward.once('data', () => {
      socket.destroy();
      onward.destroy();
    });
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => relay.close());
  const url = `https://127.0.0.1:${relay.address().port}/`;
  assert.equal((await failure(() => fetchOf(t, { ...stand, url })('/'))).cause.code, 'unreachable');
  assert.equal(stand.requests, 0);
});
