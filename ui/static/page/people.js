// Friends, those who would be, and what is shared.

import { action, badge, empty, row, rows, section, to, toMain } from '../parts.js';
import { ago, plural, short, size } from '../format.js';
import { at, get, offered, post, put } from '../api.js';
import { field, input } from '../form.js';
import { ask } from '../dialog.js';
import { h } from '../dom.js';
import { standing } from './home.js';
import { withdraw } from '../share.js';

/** How a key was verified, in words. */
export function verified(word) {
  const words = { scanned: 'scanned', compared: 'digits compared', spoken: 'code spoken', link: 'by link' };
  return words[word] && badge(words[word], 'good');
}

/** A friend's devices, and which are connected. */
export const hubs = ({ devices = [] }) => devices.map(({ label, connected }) => `${label || 'device'}${connected ? ' (connected)' : ''}`).join(', ');

export default {
  title: () => 'People',
  show(scope) {
    const friends = scope.live(async () => {
      const [list, { peers = [] }] = await Promise.all([get('/_hub/friends'), get('/_hub/status')]);
      return (list.friends ?? []).map((friend) => ({ ...friend, state: peers.find(({ key }) => key === friend.key)?.state }));
    }, drawFriends);
    const requests = scope.live(() => offered('/_hub/requests'), (data) => drawRequests(data, () => [requests, friends].map((region) => region.refresh())));
    const invitations = scope.live(() => offered('/_hub/invitations'), (data) => drawInvitations(data, () => invitations.refresh()));
    const shares = scope.live(() => offered('/_hub/shares'), (data) => drawShares(data, () => shares.refresh()));
    return [
      section('Friends', friends, h('div.buttons', {}, toMain('Add a friend', 'pair', 'friend'))),
      section('Offered to you', invitations),
      section('What you share', shares),
      section('Requests', requests),
    ];
  },
};

function drawFriends(friends) {
  if (friends.length === 0) return empty('No friends yet. A friend is somebody whose hub may have what you share with them, and nothing else.');
  return rows('Friends', friends.map((friend) => row({
    title: to(friend.name, 'people', friend.key),
    mark: [verified(friend.verified), friend.blocked ? badge('Blocked', 'bad') : friend.state && standing(friend)],
    about: [friend.profile?.name && friend.profile.name !== friend.name ? `Calls themselves ${friend.profile.name}` : short(friend.key, 16), hubs(friend)],
  })));
}

function drawRequests(data, changed) {
  if (!data) return empty('This hub does not offer friend requests.');
  const { open, requests = [] } = data;
  const listed = requests.map((request) => row({
    title: request.name || 'Somebody without a name',
    about: [request.message && `“${request.message}”`, `${short(request.key, 16)} · ${ago(request.at)}`, ...(request.warnings ?? []).map((warning) => h('span.care', {}, warning))],
    actions: [
      action('Accept', async () => {
        const given = await ask({
          title: `Become friends with ${request.name || 'them'}?`,
          text: ['They get nothing until you share something. You call them what you like.', ...(request.warnings ?? [])],
          button: 'Accept',
          fields: [field('You call them', input('name', { value: request.name, required: true }))],
        });
        if (!given) return false;
        await post(at('_hub', 'requests', request.id), { accept: true, name: given.name });
        return changed();
      }, { kind: 'primary', label: `Accept ${request.name || 'them'}` }),
      action('Refuse', async () => {
        await post(at('_hub', 'requests', request.id), { accept: false });
        return changed();
      }, { label: `Refuse ${request.name || 'them'}` }),
    ],
  }));
  const flip = async () => {
    await put('/_hub/requests', { open: !open });
    return changed();
  };
  return [
    listed.length > 0 ? rows('Requests', listed) : empty(open ? 'Nobody asks.' : 'Nobody can ask.'),
    h('div.buttons', {}, action(open ? 'Take no more requests' : 'Take requests from strangers', flip, { key: 'flip' })),
  ];
}

function drawInvitations(data, changed) {
  if (!data) return empty('This hub does not offer invitations.');
  const invitations = data.invitations ?? [];
  if (invitations.length === 0) return empty('Nothing.');
  return rows('Invitations', invitations.map((invitation) => {
    const { id, from, name, right, documents, bytes, here, in_step, declined, state, sentence, suggested } = invitation;
    const about = [right === 'write' ? 'to read and write' : 'to read', Number.isFinite(documents) && plural(documents, 'document'), Number.isFinite(bytes) && size(bytes)].filter(Boolean).join(', ');
    const accept = async () => {
      const given = await ask({
        title: `Take “${name}” from ${from.name}?`,
        text: `It is copied to your devices: ${about}.`,
        button: 'Take it',
        fields: [field('It is called here', input('as'), suggested && `Leave empty for ${suggested}`)],
      });
      if (!given) return false;
      await post(at('_hub', 'invitations', id), { accept: true, as: given.as.trim() || undefined });
      return changed();
    };
    const decline = async () => {
      await post(at('_hub', 'invitations', id), { accept: false });
      return changed();
    };
    return row({
      title: here ? to(here, 'databases', here) : name,
      mark: state === 'withdrawn' ? badge('Withdrawn', 'wait') : here ? badge(in_step ? 'In step' : 'Not yet in step', in_step ? 'good' : 'wait') : declined && badge('Declined'),
      about: [state === 'withdrawn' ? `From ${from.name}` : `From ${from.name}: ${about}`, sentence],
      actions: here ? [] : [action('Take it', accept, { kind: 'primary', label: `Take ${name}` }), !declined && action('Decline', decline, { label: `Decline ${name}` })],
    });
  }));
}

function drawShares(data, changed) {
  if (!data) return empty('This hub does not list what is shared; the page of each database says it.');
  const shares = data.shares ?? [];
  if (shares.length === 0) return empty('Nothing. Open a database to share it.');
  return rows('Shares', shares.map((share) => row({
    title: [to(share.place, 'databases', share.copy ?? share.place), ` with ${share.with.name}`],
    mark: share.in_step !== undefined && badge(share.in_step ? 'In step' : 'Not yet in step', share.in_step ? 'good' : 'wait'),
    about: [share.right === 'read' ? 'They read' : 'They read and write', share.copy && `as ${share.copy}`, share.view?.sentence],
    actions: [action('Withdraw', () => withdraw(share.place, share.with).then(changed), { label: `Withdraw ${share.place} from ${share.with.name}` })],
  })));
}
