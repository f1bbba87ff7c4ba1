// Finding the hub by what it says in a directory that only its person can write to.

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultDataDir, findHub, makeKey } from '../index.js';
import { failure } from './stand_in.mjs';

const { publicKey: key } = makeKey();
const urls = ['http://127.0.0.1:5984/', 'https://127.0.0.1:6984/'];
const good = { urls, key, pid: 1, version: '0.1.0', later: true };

async function dataDirWith(t, hubJson) {
  const dataDir = await realpath(await mkdtemp(join(tmpdir(), 'larder-client-')));
  t.after(() => rm(dataDir, { recursive: true }));
  await mkdir(join(dataDir, 'run'), { mode: 0o700 });
  await writeFile(join(dataDir, 'run/hub.json'), hubJson);
  return dataDir;
}

test('a hub is found, directly and by a link', async (t) => {
  const dataDir = await dataDirWith(t, JSON.stringify(good));
  const controlSocket = join(dataDir, 'run/control.sock');
  const expected = { url: urls[1], key, urls, controlSocket };
  assert.deepEqual(await findHub({ dataDir }), expected);
  const other = await dataDirWith(t, '');
  await rm(join(other, 'run'), { recursive: true });
  await symlink(join(dataDir, 'run'), join(other, 'run'));
  assert.deepEqual(await findHub({ dataDir: other }), expected);
});

test('what others could have written is not believed', async (t) => {
  const dataDir = await dataDirWith(t, JSON.stringify(good));
  for (const mode of [0o750, 0o701, 0o777]) {
    await chmod(join(dataDir, 'run'), mode);
    assert.equal((await failure(() => findHub({ dataDir }))).code, 'untrusted');
  }
});

test('no hub, and one without TLS', async (t) => {
  const dataDir = await dataDirWith(t, JSON.stringify({ ...good, urls: urls.slice(0, 1) }));
  assert.equal((await failure(() => findHub({ dataDir }))).code, 'no_hub');
  await rm(join(dataDir, 'run/hub.json'));
  assert.equal((await failure(() => findHub({ dataDir }))).code, 'no_hub');
  await rm(join(dataDir, 'run'), { recursive: true });
  assert.equal((await failure(() => findHub({ dataDir }))).code, 'no_hub');
});

test('a damaged file is named', async (t) => {
  const bad = ['', '{', 'null', '[]', { ...good, key: 'x' }, { ...good, urls: [7] }, { ...good, urls: ['https://'] }];
  for (const json of [...bad, ' '.repeat(100_000)]) {
    const dataDir = await dataDirWith(t, typeof json === 'string' ? json : JSON.stringify(json));
    assert.equal((await failure(() => findHub({ dataDir }))).code, 'damaged');
  }
});

test("the platform's data directory", () => {
  const check = (environment, platform, expected) => {
    assert.equal(defaultDataDir(environment, platform), expected);
  };
  check({ LARDER_DATA_DIR: '/d', HOME: '/h' }, 'linux', '/d');
  check({ HOME: '/h' }, 'linux', '/h/.local/share/larder');
  check({ HOME: '/h', XDG_DATA_HOME: '/x' }, 'linux', '/x/larder');
  check({ HOME: '/h', XDG_DATA_HOME: 'x' }, 'linux', '/h/.local/share/larder');
  check({ HOME: '/h', XDG_DATA_HOME: '/x' }, 'darwin', '/h/Library/Application Support/larder');
});
