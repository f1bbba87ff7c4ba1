// Forms: labels, hints, what is wrong said where it is wrong, and nothing sent twice.

import { explain } from './notice.js';
import { fill, fresh, h } from './dom.js';

/** A labelled control; `hint` is read out with it. */
export function field(label, control, hint) {
  const id = fresh('field');
  control.id = id;
  if (hint) control.setAttribute('aria-describedby', `${id}-hint`);
  return h('div.field', {}, h('label', { for: id }, label), control, hint && h('p.hint', { id: `${id}-hint` }, hint));
}

export function input(name, properties = {}) {
  return h('input', { name, type: 'text', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', ...properties });
}

/** A choice among `[value, text]`. */
export function select(name, choices, chosen, properties = {}) {
  const options = choices.map(([value, text]) => h('option', { value, selected: value === chosen }, text));
  return h('select', { name, ...properties }, options);
}

/** A box to tick, its label behind it. */
export function check(name, label, properties = {}) {
  const id = fresh('check');
  return h('div.check', {}, h('input', { type: 'checkbox', name, id, ...properties }), h('label', { for: id }, label));
}

/** One of several, as `[value, text, hint]`. */
export function radios(name, legend, choices, chosen) {
  const one = ([value, text, hint]) => {
    const id = fresh('radio');
    return h('div.check', {},
      h('input', { type: 'radio', name, value, id, checked: value === chosen }),
      h('label', { for: id }, text, hint && h('span.hint', {}, ` ${hint}`)));
  };
  return h('fieldset', {}, h('legend', {}, legend), choices.map(one));
}

/** A form that calls `submit` with its values; while that lasts it cannot be sent again. */
export function form({ label, submit, button = label, danger = false, quiet = false }, ...children) {
  const wrong = h('div', { role: 'alert' });
  const send = h(danger ? 'button.danger' : quiet ? 'button.quiet-button' : 'button.primary', { type: 'submit' }, button);
  const element = h('form', {
    'aria-label': label,
    onsubmit: async (event) => {
      event.preventDefault();
      if (element.hasAttribute('aria-busy')) return;
      fill(wrong);
      send.setAttribute('aria-disabled', 'true');
      element.setAttribute('aria-busy', 'true');
      try {
        await submit(values(element), element);
      } catch (error) {
        if (error.name !== 'AbortError') fill(wrong, h('p.warning', {}, explain(error)));
      }
      send.removeAttribute('aria-disabled');
      element.removeAttribute('aria-busy');
    },
  }, children, wrong, h('div.buttons', {}, send));
  return element;
}

function values(element) {
  const found = {};
  for (const control of element.elements) {
    if (!control.name) continue;
    if (control.type === 'checkbox') found[control.name] = control.checked;
    else if (control.type === 'file') found[control.name] = control.files[0];
    else if (control.type !== 'radio' || control.checked) found[control.name] = control.value;
  }
  return found;
}
