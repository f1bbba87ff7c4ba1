// Pairing: a code on one screen, a scan or a paste on the other, and a yes on both.

import { above, action, copyable, empty, facts, more, section, to } from '../parts.js';
import { answer, at, get, offered, post, put } from '../api.js';
import { check, field, form, input, radios } from '../form.js';
import { duration } from '../format.js';
import { fill, h } from '../dom.js';
import { go } from '../router.js';
import { look, readFile } from '../camera.js';
import { say } from '../notice.js';

const POLL_MS = 1000;

/** What to do: show a code, or use one. */
export const choose = {
  title: (kind) => (kind === 'friend' ? 'Add a friend' : 'Add a device'),
  async show(scope, word) {
    const kind = word === 'friend' ? 'friend' : 'device';
    const [known, profile] = await Promise.all([databases(), kind === 'friend' && offered('/_hub/profile')]);
    const shares = kind === 'friend' && sharing(known);
    const begun = (session) => go(`#/pairing/${encodeURIComponent(session.id)}`);
    const host = section(kind === 'friend' ? 'Show them a code' : 'Show a code here',
      h('p', {}, kind === 'friend'
        ? 'Your friend scans it with their hub, or gets the link from you by whatever way you trust.'
        : 'Scan it with the other device, or paste its link there.'),
      form({ label: 'Show a code', submit: async (values) => begun(await post('/_hub/pairing', {
        kind, share: shares ? chosen(values, known) : undefined, proof: values.proof === 'link' ? undefined : values.proof,
      })) }, more('In another way', radios('proof', 'How they come', [
        ['link', 'By a link or its picture'], ['compare', 'By an address', 'and six digits compared on both screens'], ['spoken', 'By an address and a code', 'that you tell them'],
      ], 'link')), shares));
    const guest = section(kind === 'friend' ? 'You have their code' : 'The other device shows one', join(scope, kind, begun));
    return [above(kind === 'friend' ? to('People', 'people') : to('Devices', 'devices')), profile && !profile.name && named(), host, guest, byHand(kind)];
  },
};

/** Asks what friends are told, where nobody has said so yet. */
function named() {
  const part = section('Your name', h('p', {}, 'Friends are told this device’s name until you say what you call yourself.'),
    form({ label: 'Set your name', button: 'Set', quiet: true, submit: async ({ me }) => {
      await put('/_hub/profile', { name: me });
      part.remove();
      say('Set.');
    } }, field('You call yourself', input('me', { required: true, maxlength: 64 }))));
  return part;
}

async function databases() {
  const { databases: all } = await get('/_hub/dbs');
  return all.map(({ name }) => name).filter((name) => !name.startsWith('_'));
}

function sharing(known, given = []) {
  if (known.length === 0) return null;
  return more('Share something with them at once', known.map((name, index) => {
    const right = given.find(({ database }) => database === name)?.right ?? 'no';
    return radios(`share-${index}`, name, [['no', 'nothing'], ['read', 'to read'], ['write', 'to read and write']], right);
  }));
}

function chosen(values, known) {
  const shares = known.map((database, index) => ({ database, right: values[`share-${index}`] }));
  return shares.filter(({ right }) => right === 'read' || right === 'write');
}

function join(scope, kind, begun) {
  const link = input('link', { required: true, placeholder: 'larder:…' });
  const joinBy = async (text, scanned) => begun(await post('/_hub/pairing/join', { link: String(text).trim(), kind, scanned }));
  const paste = form({ label: 'Join by link', button: 'Join', submit: ({ link: text }) => joinBy(text) }, field('Their link', link));
  const video = h('video.camera', { muted: true, playsinline: true, hidden: true, 'aria-label': 'What the camera sees' });
  const said = h('p', { role: 'status' });
  const found = async (text) => {
    fill(said, 'A code was read.');
    await joinBy(text, true);
  };
  const camera = action('Use the camera', async () => {
    if (!video.hidden) {
      video.hidden = true;
      fill(said);
      return;
    }
    video.hidden = false;
    fill(said, 'Hold the code before the camera.');
    try {
      const text = await look(video, scope);
      if (text) await found(text);
    } catch (error) {
      fill(said);
      throw error;
    } finally {
      video.hidden = true;
    }
  });
  const picture = h('input', { type: 'file', accept: 'image/*', name: 'picture' });
  const file = form({ label: 'Read the picture', quiet: true, submit: async ({ picture: chosenFile }) => {
    if (!chosenFile) throw new Error('Choose a picture of the code first.');
    await found(await readFile(chosenFile));
  } }, field('A picture of the code', picture, 'A photo or a screenshot'));
  const address = form({ label: 'Join by address', button: 'Join', quiet: true, submit: async (values) => begun(await post('/_hub/pairing/join', { address: values.address.trim(), ...(values.code ? { code: values.code.trim() } : {}), kind })) },
    field('Address', input('address', { required: true }), 'HOST:PORT in your network, or an onion address'),
    field('Spoken code', input('code'), 'Leave it empty to compare six digits instead'));
  return [paste, h('div.buttons', {}, camera), video, said, more('From a picture', file), more('By address and a spoken code, or six digits', address)];
}

function byHand(kind) {
  const noun = kind === 'friend' ? 'friends' : 'devices';
  return section('Without a code', more('By httpkey URL',
    h('p', {}, 'Both sides have to name the other. Nothing checks that the address is whose you think; only use one that you got by a way you trust.'),
    form({ label: 'Add by httpkey URL', button: 'Add', quiet: true, submit: async (values) => {
      await post(`/_hub/${noun}`, { url: values.url.trim(), ...(values.name ? { name: values.name } : {}) });
      say('Added.');
      go(kind === 'friend' ? '#/people' : '#/devices');
    } }, field('Their httpkey URL', input('url', { required: true, placeholder: 'httpkey://…' })), field('You call it', input('name', { maxlength: 64 })))),
  kind === 'friend' && more('Ask somebody who does not know you yet',
    h('p', {}, 'They see your question where they take requests, and become your friend when they say yes.'),
    form({ label: 'Ask', quiet: true, submit: async (values) => {
      await post('/_hub/requests', { url: values.url.trim(), name: values.name, message: values.message || undefined });
      say('Asked.');
      go('#/people');
    } }, field('Their httpkey URL', input('url', { required: true, placeholder: 'httpkey://…' })), field('You call them', input('name', { required: true, maxlength: 64 })), field('A message', input('message', { maxlength: 400 })))),
  own());
}

function own() {
  const place = h('div', {}, empty('Loading…'));
  get('/_hub/status').then(({ reach = [] }) => fill(place, reach.length === 0 ? empty('This hub has no address yet.') : reach.map((url) => copyable('Own httpkey URL', url))), () => fill(place));
  return more('This hub’s own httpkey URL', place);
}

/** One pairing, from beginning to end. */
export const session = {
  title: () => 'Pairing',
  async show(scope, id) {
    const path = at('_hub', 'pairing', id);
    const place = h('div', {});
    const left = h('p.quiet', {});
    let [shown, current] = ['', null];
    const known = await databases();
    const poll = async () => {
      current = await get(path);
      count();
      // What has a form in it is drawn again only where something new is in it.
      const text = JSON.stringify({ ...current, expires_at: 0 });
      if (text === shown || scope.ended) return;
      const moved = shown !== '' && JSON.parse(shown).state !== current.state;
      shown = text;
      const typed = moved ? [] : [...place.querySelectorAll('input[type=text]:not([readonly])')].map(({ name, value }) => [name, value]);
      const had = !moved && document.activeElement?.name;
      fill(place, DRAW[current.state]?.(current, { path, known, poll, scope }) ?? empty(`State: ${current.state}`));
      for (const [name, value] of typed) {
        const control = place.querySelector(`input[name="${CSS.escape(name)}"]`);
        if (control) control.value = value;
        if (control && name === had) control.focus();
      }
      if (moved) place.querySelector('h2')?.setAttribute('tabindex', '-1');
      if (moved) place.querySelector('h2')?.focus();
    };
    const count = () => {
      const seconds = (new Date(current?.expires_at).getTime() - Date.now()) / 1000;
      const open = ['waiting', 'connecting', 'compare', 'confirm', 'confirmed'].includes(current?.state);
      fill(left, open && Number.isFinite(seconds) && `Good for ${seconds < 90 ? `${Math.max(0, Math.round(seconds))} s` : duration(seconds)} more.`);
    };
    await poll();
    scope.every(POLL_MS, () => poll().catch(() => {}));
    const kind = current?.kind;
    return [above(kind === 'friend' ? to('People', 'people') : to('Devices', 'devices')), place, left];
  },
};

const refuse = ({ path, poll }, text = 'Cancel') => action(text, async () => {
  await post(`${path}/refuse`);
  await poll();
});

const DRAW = {
  waiting: (now, tools) => section(!now.link ? 'Waiting for them to come' : now.kind === 'friend' ? 'Let them scan this' : 'Scan this with your other device',
    now.link && [qr(tools), copyable('Link', now.link)],
    now.code && facts(['The code to tell them', h('span.mono', {}, now.code)]),
    !now.link && h('p', {}, 'They choose “By address”, and one of these:'),
    now.link ? more('Where this hub is reached', addresses(now)) : addresses(now, short),
    h('p', { role: 'status' }, 'Waiting for the other side.'), h('div.buttons', {}, refuse(tools))),
  connecting: (now, tools) => section('Connecting', h('p', { role: 'status' }, 'Reaching the other side. Through Tor this may take a minute.'),
    h('progress', { 'aria-label': 'Connecting' }), h('div.buttons', {}, refuse(tools))),
  compare: (now, tools) => confirm(now, tools),
  confirm: (now, tools) => confirm(now, tools),
  confirmed: (now, tools) => section('Waiting for the other side', h('p', { role: 'status' }, 'You have said yes. Now it is for them to.'), h('progress', { 'aria-label': 'Waiting' }), h('div.buttons', {}, refuse(tools))),
  done: (now) => section('Done', h('p', { role: 'status' }, now.kind === 'friend'
    ? `${now.name || now.peer?.name} is your friend.`
    : `${now.name || now.peer?.name} is one of your devices. Every database follows at once; Home shows how far it is.`),
  h('div.buttons', {}, now.kind === 'friend' ? to('To People', 'people') : to('To Devices', 'devices'), to('Home'))),
  refused: (now) => ended('Refused', 'One side said no. Nothing was changed.', now),
  failed: (now) => ended('It did not work', now.error?.sentence ?? 'Something went wrong.', now),
  expired: (now) => ended('Too late', 'The time for this pairing is over. Begin again.', now),
};

function addresses({ reach = [] }, shown = (url) => url) {
  return reach.map((url) => copyable('Address', shown(url)));
}

/** `HOST:PORT` of a URL: what people can type. */
function short(url) {
  return /^httpkey:\/\/([^/]+)/.exec(url)?.[1] ?? url;
}

function ended(title, sentence, now) {
  return section(title, h('p', { role: 'alert' }, sentence), h('div.buttons', {}, to('Begin again', 'pair', now.kind ?? 'device')));
}

/** Everything that has to be seen before the yes: who, by what, what is shared. */
function confirm(now, tools) {
  const peer = now.peer ?? {};
  const friend = now.kind === 'friend';
  const compared = now.state === 'compare';
  const gets = (peer.share ?? []).map(({ database, right }) => h('li', {}, `${database}, ${right === 'write' ? 'to read and write' : 'to read'}`));
  const title = compared ? 'Are these digits the same on both screens?' : friend ? 'Is this your friend?' : 'Is this your device?';
  const yes = compared ? 'They are the same: ' : 'Yes, ';
  return section(title,
    now.digits && h('p.digits', { 'aria-label': `Digits: ${[...String(now.digits)].join(' ')}` }, now.digits),
    now.digits && h('p', {}, compared ? 'If they differ, somebody is in between.' : 'Both screens show these digits, unless somebody is in between. Comparing them makes sure of that; nobody has to.'),
    (peer.warnings ?? []).map((warning) => h('p.care', {}, warning)),
    facts([friend ? 'They call themselves' : 'It calls itself', peer.name], ['Key', peer.key && h('span.mono', {}, peer.key)], ['Checked by', { scanned: 'a scanned code', compared: 'compared digits', spoken: 'a spoken code', link: 'a link' }[now.verified]]),
    friend
      ? h('p', {}, 'A friend gets what you share with them, and nothing else.')
      : h('p', {}, 'A device of yours gets every database and may do whatever you may.'),
    gets.length > 0 && [h('p', {}, 'They share with you:'), h('ul', {}, gets)],
    form({ label: 'Confirm', button: `${yes}add this ${friend ? 'friend' : 'device'}`, submit: async (values) => {
      const share = friend ? chosen(values, tools.known) : undefined;
      await post(`${tools.path}/confirm`, { name: values.name, share, digits_match: compared || values.same || undefined });
      await tools.poll();
    } },
    field(friend ? 'You call them' : 'You call it', input('name', { value: now.name || peer.name || '', required: true, maxlength: 64 })),
    friend && sharing(tools.known, now.share),
    now.digits && !compared && check('same', 'I have looked: the other screen shows the same digits')),
    h('div.buttons', {}, refuse(tools, compared ? 'They differ' : 'No')));
}

function qr({ path, scope }) {
  const image = h('img.qr', { alt: 'QR code of the link below' });
  answer('GET', `${path}/qr`, undefined, { signal: scope.signal, headers: { Accept: 'image/svg+xml' } })
    .then((response) => response.blob())
    .then((blob) => {
      const address = URL.createObjectURL(new Blob([blob], { type: 'image/svg+xml' }));
      scope.onEnd(() => URL.revokeObjectURL(address));
      image.src = address;
    })
    .catch(() => image.remove());
  return image;
}
