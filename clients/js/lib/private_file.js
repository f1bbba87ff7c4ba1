// Files and directories that only we may reach.

import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { HubError } from './error.js';

/** Bits that let anybody but the owner read or write. */
const OTHERS = 0o077;

/** Longest file that is read, in bytes. */
const FILE_BYTES_MAX = 64 * 1024;

function checkOurs(path, { uid, mode }) {
  if (uid !== process.geteuid()) throw new HubError('untrusted', `${path} belongs to another user`);
  if ((mode & OTHERS) !== 0) throw new HubError('untrusted', `${path} is open to others`);
}

/** Checks that a directory is ours and closed to others. */
export async function checkPrivateFolder(path) {
  const found = await stat(path);
  if (!found.isDirectory()) throw new HubError('damaged', `${path} is no directory`);
  checkOurs(path, found);
}

/** The text of a file that is ours; `closed`: and that nobody else may read. */
export async function readOurs(path, { closed }) {
  // A pipe must not hold us up.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size > FILE_BYTES_MAX) throw new HubError('damaged', `${path} is damaged`);
    checkOurs(path, { uid: found.uid, mode: closed ? found.mode : 0 });
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
