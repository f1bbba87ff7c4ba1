// What is around every page: where one can go, and whether the hub is there.

import { fill, h } from './dom.js';
import { listen } from './feed.js';
import { place as notices } from './notice.js';

const PLACES = [
  ['', 'Home'],
  ['people', 'People'],
  ['devices', 'Devices'],
  ['databases', 'Databases'],
  ['overwritten', 'Overwritten edits'],
  ['apps', 'Apps'],
  ['storage', 'Storage'],
  ['activity', 'Activity'],
  ['settings', 'Settings'],
];

/** Lays the frame around `main`; what it returns marks where one is. */
export function frame(main) {
  const links = PLACES.map(([word, text]) => [word, h('a', { href: `#/${word}` }, text)]);
  const list = h('ul', { id: 'places' }, links.map(([, link]) => h('li', {}, link)));
  const menu = h('button.menu', {
    type: 'button', 'aria-expanded': 'false', 'aria-controls': 'places',
    onclick: () => open(menu.getAttribute('aria-expanded') !== 'true'),
  }, 'Menu');
  const nav = h('nav.places', { 'aria-label': 'Pages', onkeydown: (event) => event.key === 'Escape' && (open(false), menu.focus()) }, menu, list);
  function open(is) {
    menu.setAttribute('aria-expanded', String(is));
    nav.classList.toggle('open', is);
  }
  const away = h('div.away', { role: 'status' });
  listen(({ event }) => {
    if (event === 'open') fill(away);
    if (event === 'closed') fill(away, 'The hub does not answer. What you see may be old; these pages go on when it is back.');
  });
  const skip = h('a.skip', { href: '#main', onclick: (event) => { event.preventDefault(); main.focus(); } }, 'Skip to the page');
  document.body.classList.remove('bare');
  fill(document.body, skip,
    h('header.top', {}, h('a.brand', { href: '#/' }, h('span.brand-mark', { 'aria-hidden': 'true' }), 'Larder'), nav),
    h('div.middle', {}, away, main), notices);
  return ([word = '', second]) => {
    open(false);
    const mine = { pair: second === 'friend' ? 'people' : 'devices', welcome: '' }[word] ?? word;
    for (const [to, link] of links) {
      if (to === mine) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  };
}
