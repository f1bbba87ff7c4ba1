// What every suite shares: the hubs' URLs, names, failures, and a look at a hub with nothing between.

import { spawn } from 'node:child_process';
import { buffer } from 'node:stream/consumers';
import { test as nodeTest } from 'node:test';

/** The hubs under test: `http://owner:TOKEN@127.0.0.1:PORT/`, one or two of them. */
export const hubs = (process.env.LARDER_URLS ?? '').split(' ').filter(Boolean);

const TEST_LIMIT_MS = 120_000;

/** A test that ends by itself when something it waits for never comes. */
export function test(name, run) {
  nodeTest(name, { timeout: TEST_LIMIT_MS }, run);
}

let names = 0;

/** A database name that no other test uses. */
export function freshName(prefix = 'client') {
  names += 1;
  return `${prefix}-${process.pid}-${names}`;
}

/** A hub's address without credentials, and the credentials. */
export function address(hub = hubs[0]) {
  const { origin, username, password } = new URL(hub);
  return { origin, username, password };
}

/** The error that an action ends with; fails when it ends well. */
export async function failure(action) {
  let value;
  try {
    value = await action();
  } catch (error) {
    return error;
  }
  throw new Error(`expected a failure, got ${JSON.stringify(value)}`);
}

/** Resolves with the event's argument. A replication's or feed's error rejects instead. */
export function event(emitter, name, matches = () => true) {
  return new Promise((resolve, reject) => {
    emitter.on('error', reject);
    emitter.on(name, (argument) => {
      if (matches(argument)) resolve(argument);
    });
  });
}

/** Asks again until the answer is one; a test's own limit ends what never comes. */
export async function eventually(answer) {
  for (;;) {
    const given = await answer();
    if (given) return given;
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

/** A request with nothing between test and hub, as the owner. */
export async function ask(method, path, { body, headers = {}, hub } = {}) {
  const { origin, username, password } = address(hub);
  const authorization = `Basic ${btoa(`${username}:${password}`)}`;
  const json = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  return fetch(`${origin}${path}`, {
    method,
    body: json ? body : JSON.stringify(body),
    headers: { authorization, 'content-type': 'application/json', ...headers },
  });
}

/** What a request answers, as JSON; fails with the body when the hub refuses. */
export async function told(method, path, options) {
  const response = await ask(method, path, options);
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/**
 * Everything a database holds: the text of every leaf of every document with its history and its
 * attachments as base64, deleted ones included, in the order of ids and revisions.
 */
export async function everything(database, hub) {
  const { results } = await told('GET', `/${database}/_changes?style=all_docs`, { hub });
  const docs = results.flatMap(({ id, changes }) => changes.map(({ rev }) => ({ id, rev })));
  docs.sort((a, b) => (`${a.id} ${a.rev}` < `${b.id} ${b.rev}` ? -1 : 1));
  const query = `/${database}/_bulk_get?revs=true&attachments=true`;
  const response = await ask('POST', query, { body: { docs }, hub });
  if (!response.ok) throw new Error(`${query}: ${response.status}`);
  const leaves = await response.text();
  if (leaves.includes('"error"')) throw new Error(`${query}: ${leaves}`);
  return { leaves: docs.length, text: leaves };
}

/** Runs an installed package's command to its end; what it wrote. Fails when the command does. */
export async function run(command, words, input = '') {
  const child = spawn(`node_modules/.bin/${command}`, words, { stdio: 'pipe' });
  child.stdin.end(input);
  const code = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const [output, errors] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
  if (await code !== 0) throw new Error(`${command} ended with ${await code}: ${errors}`);
  return output;
}
