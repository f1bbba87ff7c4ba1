// Where the pages begin.

import { get, onLoggedOut, word } from './api.js';
import { enter, outside } from './session.js';
import { follow } from './feed.js';
import { frame } from './frame.js';
import { h } from './dom.js';
import { start } from './router.js';
import activity from './page/activity.js';
import apps from './page/apps.js';
import database from './page/database.js';
import databases from './page/databases.js';
import decide from './page/decide.js';
import device from './page/device.js';
import devices from './page/devices.js';
import document_ from './page/document.js';
import edit from './page/edit.js';
import friend from './page/friend.js';
import home from './page/home.js';
import overwritten from './page/overwritten.js';
import { choose, session } from './page/pair.js';
import people from './page/people.js';
import settings from './page/settings.js';
import storage from './page/storage.js';
import welcome from './page/welcome.js';

const TABLE = [
  ['', home],
  ['welcome', welcome],
  ['people', people],
  ['people/:key', friend],
  ['devices', devices],
  ['devices/:key', device],
  ['pair/:kind', choose],
  ['pairing/:id', session],
  ['databases', databases],
  ['databases/:name', database],
  ['databases/:name/:part', database],
  ['databases/:name/document/:id', document_],
  ['overwritten', overwritten],
  ['overwritten/:id', edit],
  ['overwritten/:name/:id', decide],
  ['apps', apps],
  ['storage', storage],
  ['activity', activity],
  ['settings', settings],
];

async function begin() {
  try {
    await enter();
  } catch (error) {
    return outside(error);
  }
  if (!word()) return outside();
  try {
    await get('/_hub/status');
  } catch (error) {
    return outside(error.status === 401 ? undefined : error);
  }
  const listening = new AbortController();
  onLoggedOut(() => {
    listening.abort();
    outside('You have to log in again.');
  });
  const main = h('main', { id: 'main', tabindex: '-1' });
  start(TABLE, main, frame(main));
  follow(listening.signal);
}

begin();
