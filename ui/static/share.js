// Sharing a database, or a view of it, with somebody.

import { Refusal, offered, post, query, remove } from './api.js';
import { field, form, input, select } from './form.js';
import { h } from './dom.js';
import { ask } from './dialog.js';
import { say } from './notice.js';

/** Takes a right back, once that was confirmed. */
export async function withdraw(place, { name, key, kind }) {
  const given = await ask({
    title: `Stop sharing ${place} with ${name}?`,
    text: 'Nothing more of it goes there. What they have already stays with them.',
    button: 'Stop sharing',
    danger: true,
  });
  if (!given) return false;
  const who = key ?? (kind === 'group' ? `group:${name}` : name);
  await orByLists(() => remove(`/_hub/shares${query({ place, with: who })}`), () => post('/_hub/acl/revoke', { place, who }));
  say(`${place} is no longer shared with ${name}.`);
  return true;
}

/** Where this hub has no shares it has lists of rights. */
async function orByLists(share, lists) {
  try {
    return await share();
  } catch (error) {
    if (error instanceof Refusal && error.notOffered) return lists();
    throw error;
  }
}

async function people() {
  const [friends, devices, acl, apps] = await Promise.all([
    offered('/_hub/friends', {}), offered('/_hub/devices', {}), offered('/_hub/acl', {}), offered('/_hub/apps', {})]);
  return [
    ...(friends.friends ?? []).map(({ key, name }) => [key, name]),
    ...Object.keys(acl.groups ?? {}).map((name) => [`group:${name}`, `group ${name}`]),
    ...(apps.apps ?? []).map(({ name }) => [name, `app ${name}`]),
    ...(devices.devices ?? []).filter((device) => !device.this && device.standing === 'suspended').map(({ key, name }) => [key, name]),
  ];
}

/** A form that shares a database with somebody. */
export async function shareForm(database, changed) {
  const known = await people();
  if (known.length === 0) return h('p.quiet', {}, 'Add a friend first, or an app.');
  return form({ label: 'Share it', quiet: true, submit: async (values, element) => {
    const place = values.view ? `${database}/${values.view}` : database;
    const share = { place, with: values.with, right: values.right };
    await orByLists(() => post('/_hub/shares', share), () => post('/_hub/acl/grant', { place, who: values.with, right: values.right }));
    say('Shared.');
    element.reset();
    changed();
  } },
  h('div.together', {},
    field('With', select('with', known)),
    field('They may', select('right', [['read', 'read'], ['write', 'read and write']])),
    field('Only a view of it', input('view', { placeholder: 'design/view' }), 'Leave empty for all of it')));
}
