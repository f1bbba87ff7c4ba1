// Parts of a page that stay right without a reload.

import { explain } from './notice.js';
import { fill, h } from './dom.js';
import { listen } from './feed.js';

/** What ends with a page: requests, timers, listeners. */
export class Scope {
  #ends = [];
  #controller = new AbortController();

  get signal() {
    return this.#controller.signal;
  }

  get ended() {
    return this.signal.aborted;
  }

  /** Calls `end` when the page goes. */
  onEnd(end) {
    if (this.ended) end();
    else this.#ends.push(end);
  }

  end() {
    this.#controller.abort();
    for (const end of this.#ends.splice(0)) end();
  }

  every(ms, work) {
    const timer = setInterval(work, ms);
    this.onEnd(() => clearInterval(timer));
  }

  /**
   * A region that shows what `load` gives, drawn by `draw`; again every `every` milliseconds and with each
   * event of the hub. Where nothing has changed nothing is touched, and the focus stays where it was.
   */
  live(load, draw, { every = 5000, tag = 'div' } = {}) {
    const region = h(tag, { 'aria-busy': 'true' }, h('p.quiet', {}, 'Loading…'));
    let [last, running, again] = [undefined, false, false];
    const refresh = async () => {
      if (this.ended) return;
      if (running) {
        again = true;
        return;
      }
      running = true;
      try {
        const data = await load();
        const text = JSON.stringify(data);
        if (text !== last && !this.ended) {
          last = text;
          replace(region, draw(data));
        }
      } catch (error) {
        if (!this.ended && error.name !== 'AbortError') {
          last = undefined;
          replace(region, h('p.warning', {}, explain(error)));
        }
      }
      region.removeAttribute('aria-busy');
      running = false;
      if (again) {
        again = false;
        await refresh();
      }
    };
    region.refresh = refresh;
    if (every) this.every(every, () => document.hidden || refresh());
    let soon;
    this.onEnd(listen(() => {
      clearTimeout(soon);
      soon = setTimeout(refresh, 300);
    }));
    this.onEnd(() => clearTimeout(soon));
    refresh();
    return region;
  }
}

/** New children, the focus on the one that stands for the one that had it. */
function replace(region, ...children) {
  const had = region.contains(document.activeElement) ? document.activeElement : null;
  const key = had && (had.getAttribute('data-key') ?? had.textContent);
  // What somebody is in the middle of typing is theirs.
  if (had && ['INPUT', 'TEXTAREA', 'SELECT'].includes(had.tagName) && region.childElementCount) {
    had.addEventListener('blur', () => setTimeout(() => region.refresh?.()), { once: true });
  }
  fill(region, ...children);
  if (!key) return;
  const same = [...region.querySelectorAll('a, button, input, select, summary, textarea')]
    .find((element) => (element.getAttribute('data-key') ?? element.textContent) === key);
  same?.focus({ preventScroll: true });
}
