// Questions that have to be answered before something is done.

import { field, form, input } from './form.js';
import { fresh, h } from './dom.js';

/**
 * Asks, and resolves with what was filled in, or with nothing where it was cancelled. With `typed`, that
 * text has to be typed before.
 */
export function ask({ title, text, button, danger = false, typed, fields = [] }) {
  return new Promise((resolve) => {
    const id = fresh('dialog');
    const before = document.activeElement;
    let given;
    const control = typed && input('typed', { required: true });
    const body = form({
      label: title,
      button,
      danger,
      submit: async (values) => {
        if (typed && values.typed !== typed) throw new Error(`Type “${typed}” to go on.`);
        given = values;
        dialog.close();
      },
    }, fields, typed && field(`Type “${typed}” to confirm`, control));
    body.querySelector('.buttons').append(
      h('button.quiet-button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'));
    const dialog = h('dialog', {
      'aria-labelledby': id,
      onclose: () => {
        dialog.remove();
        before?.focus?.();
        resolve(given);
      },
    }, h('h2', { id }, title), [text].flat().map((line) => line && h('p', {}, line)), body);
    document.body.append(dialog);
    dialog.showModal();
    (control ?? dialog.querySelector('input, select, textarea'))?.focus();
  });
}
