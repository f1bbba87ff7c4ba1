// Where the hub is, as it says itself in a directory that only its person may write to.

import { realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { keyFromText } from './base32.js';
import { HubError } from './error.js';
import { checkPrivateFolder, readOurs } from './private_file.js';

/** The data directory of this person's hub: `LARDER_DATA_DIR`, else the platform's. */
export function defaultDataDir(environment = process.env, platform = process.platform) {
  if (environment.LARDER_DATA_DIR) return environment.LARDER_DATA_DIR;
  const home = isAbsolute(environment.HOME ?? '') ? environment.HOME : homedir();
  if (platform === 'darwin') return join(home, 'Library/Application Support/larder');
  const data = environment.XDG_DATA_HOME ?? '';
  return join(isAbsolute(data) ? data : join(home, '.local/share'), 'larder');
}

/**
 * The running hub: `url` and `key` for `hubFetch`, `controlSocket` for `enrol`, and all its `urls`.
 *
 * Rejects with a `HubError`: `no_hub`, `untrusted` or `damaged`.
 */
export async function findHub({ dataDir = defaultDataDir() } = {}) {
  const folder = await runtimeFolder(dataDir);
  const hub = await readHubJson(join(folder, 'hub.json'), dataDir);
  const url = hub.urls.find((candidate) => candidate.startsWith('https://'));
  if (url === undefined) throw new HubError('no_hub', `the hub on ${dataDir} does not listen for TLS`);
  return { url, key: hub.key, urls: hub.urls, controlSocket: join(folder, 'control.sock') };
}

/** The directory that `run` in the data directory is or links to, checked. */
async function runtimeFolder(dataDir) {
  try {
    const folder = await realpath(join(dataDir, 'run'));
    await checkPrivateFolder(folder);
    return folder;
  } catch (error) {
    throw absent(error, dataDir);
  }
}

async function readHubJson(path, dataDir) {
  let text;
  try {
    text = await readOurs(path, { closed: false });
  } catch (error) {
    throw absent(error, dataDir);
  }
  try {
    const { urls, key } = JSON.parse(text);
    keyFromText(key);
    if (!urls.every((url) => typeof url === 'string' && new URL(url).pathname === '/')) throw new TypeError('urls');
    return { urls, key };
  } catch (cause) {
    throw new HubError('damaged', `${path} does not say where the hub is and which key it has`, { cause });
  }
}

function absent(error, dataDir) {
  if (error.code !== 'ENOENT') return error;
  return new HubError('no_hub', `no hub is running on ${dataDir}`, { cause: error });
}
