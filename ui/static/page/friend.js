// One friend.

import { above, action, badge, copyable, empty, facts, more, row, rows, section, to } from '../parts.js';
import { ask } from '../dialog.js';
import { at, get, offered, post, put, remove } from '../api.js';
import { field, form, input } from '../form.js';
import { go } from '../router.js';
import { h } from '../dom.js';
import { moment } from '../format.js';
import { say } from '../notice.js';
import { standing } from './home.js';
import { hubs, verified } from './people.js';
import { withdraw } from '../share.js';

export default {
  title: () => 'Friend',
  async show(scope, key) {
    const find = async () => {
      const [list, { peers = [] }] = await Promise.all([get('/_hub/friends'), get('/_hub/status')]);
      const friend = (list.friends ?? []).find((one) => one.key === key);
      if (!friend) throw new Error('There is no such friend.');
      return { ...friend, state: peers.find((peer) => peer.key === key)?.state };
    };
    const friend = await find();
    document.querySelector('h1').textContent = friend.name;
    const about = scope.live(find, draw);
    const shares = scope.live(() => offered('/_hub/shares'), (data) => drawShares(data, friend, () => shares.refresh()));
    const offers = scope.live(() => offered(`${at('_hub', 'friends', key)}/databases`, {}), (data) => drawOffers(data, key, () => offers.refresh()));
    const block = scope.live(find, ({ blocked }) => h('div.buttons', {},
      action(blocked ? 'Unblock' : 'Block', async () => {
        if (!blocked && !await ask({ title: `Block ${friend.name}?`, text: 'Nothing goes to them, and nothing of theirs gets in, from now on. They are not told.', button: 'Block', danger: true })) return;
        await post(`${at('_hub', 'friends', key)}/${blocked ? 'unblock' : 'block'}`);
        await block.refresh();
      }, { key: 'block' }),
      action('Remove', async () => {
        if (!await ask({ title: `Remove ${friend.name}?`, text: 'They get nothing from here any more. What was copied stays on both sides.', button: 'Remove', danger: true, typed: friend.name })) return;
        await remove(at('_hub', 'friends', key));
        say(`${friend.name} was removed.`);
        go('#/people');
      }, { kind: 'danger' })));
    return [
      above(to('People', 'people')),
      section('About', about),
      section('What you share with them', shares),
      section('What they offer', offers),
      section('Rename', form({ label: 'Rename', quiet: true, submit: async ({ name }) => {
        await put(at('_hub', 'friends', key), { name });
        document.querySelector('h1').textContent = name;
        say('Renamed.');
        about.refresh();
      } }, field('You call them', input('name', { value: friend.name, required: true, maxlength: 64 })))),
      section('Block or remove', block),
    ];
  },
};

function draw(friend) {
  return [
    facts(
      ['Now', friend.blocked ? badge('Blocked', 'bad') : standing(friend)],
      ['Key verified', verified(friend.verified) ?? 'No'],
      ['They call themselves', friend.profile?.name],
      ['Reached', friend.profile?.windows?.join('; ')],
      ['Their devices', hubs(friend) || friend.profile?.devices?.length],
      ['Friends since', moment(friend.added_at)]),
    more('Key and addresses', copyable('Key', friend.key), (friend.reach ?? []).map((url) => copyable('Address', url))),
  ];
}

function drawShares(data, friend, changed) {
  if (!data) return empty('This hub does not list what is shared; the page of each database says it.');
  const mine = (data.shares ?? []).filter((share) => share.with.key === friend.key);
  if (mine.length === 0) return empty('Nothing. Open a database to share it.');
  return rows('Shared', mine.map((share) => row({
    title: share.place,
    about: share.right === 'write' ? 'They read and write' : 'They read',
    actions: [action('Withdraw', () => withdraw(share.place, share.with).then(changed), { label: `Withdraw ${share.place}` })],
  })));
}

function drawOffers({ databases = [] }, key, changed) {
  if (databases.length === 0) return empty('Nothing that this hub has heard of.');
  return rows('Offered', databases.map((offer) => {
    const name = offer.name ?? offer.database;
    const here = offer.here ?? offer.local;
    return row({
      title: here ? to(String(here), 'databases', String(here)) : String(name),
      mark: here && badge('Here', 'good'),
      actions: here ? [] : [action('Take it', async () => {
        await post(`${at('_hub', 'friends', key)}/accept`, { database: name });
        say(`${name} is being copied.`);
        await changed();
      }, { label: `Take ${name}` })],
    });
  }));
}
