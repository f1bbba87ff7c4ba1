// The `fetch` for browsers: the token goes to the hub and to nobody else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokenFetch } from '../browser.js';
import { failure } from './stand_in.mjs';

const url = 'http://127.0.0.1:5984/';

/** A `fetch` that keeps what it is asked. */
function recorder() {
  const asked = [];
  const fetch = async (input, init) => {
    asked.push(new Request(input, init));
    return new Response('{}');
  };
  return { asked, fetch };
}

test('the token goes to the hub', async () => {
  const { asked, fetch: underneath } = recorder();
  const fetch = tokenFetch({ url, token: 'secret', fetch: underneath });
  const headers = new Headers({ authorization: 'Basic bm8=', accept: 'application/json' });
  await fetch(`${url}notes`, { method: 'POST', body: '{}', headers, credentials: 'include' });
  await fetch('/notes');
  await fetch(new Request(`${url}notes`, { headers: { accept: 'application/json' } }));
  for (const request of asked) {
    assert.equal(request.url, `${url}notes`);
    assert.equal(request.headers.get('authorization'), 'Bearer secret');
    assert.deepEqual([request.credentials, request.redirect, request.referrerPolicy], ['omit', 'error', 'no-referrer']);
  }
  assert.deepEqual(asked.map(({ method }) => method), ['POST', 'GET', 'GET']);
  assert.deepEqual([0, 2].map((n) => asked[n].headers.get('accept')), ['application/json', 'application/json']);
  assert.equal(headers.get('authorization'), 'Basic bm8=');
});

test('no other address gets it', async () => {
  const { asked, fetch: underneath } = recorder();
  const fetch = tokenFetch({ url, token: 'secret', fetch: underneath });
  for (const other of ['http://127.0.0.1:5985/', 'https://127.0.0.1:5984/', '//example.com/', 'http://127.0.0.1:5984.example.com/']) {
    assert.ok(await failure(() => fetch(other)) instanceof TypeError, other);
  }
  assert.ok(await failure(() => fetch(new Request('http://localhost:5984/'))) instanceof TypeError);
  assert.equal(asked.length, 0);
});

test('a token does not leave this machine in clear', () => {
  for (const unsafe of ['http://example.com/', 'http://192.168.1.2:5984/', 'ws://127.0.0.1/', 'http://127.0.0.1.example.com/']) {
    assert.throws(() => tokenFetch({ url: unsafe, token: 'secret' }), TypeError);
  }
  for (const safe of [url, 'http://[::1]:5984/', 'http://localhost:5984/', 'https://hub.example/']) {
    tokenFetch({ url: safe, token: 'secret' });
  }
});
