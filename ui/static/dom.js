// Elements made of names and text. Nothing here reads text as HTML, so whatever is shown stays text.

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = new Set(['checked', 'disabled', 'hidden', 'multiple', 'open', 'required', 'selected', 'value']);
const ADDRESSES = new Set(['href', 'src', 'action', 'formaction']);

/**
 * An element: `h('button.quiet', { type: 'button', onclick }, 'Close')`.
 *
 * Properties that begin with `on` are listeners; those that are undefined, null or false are left out.
 */
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  return filled(document.createElement(tag), classes, properties, children);
}

/** An element of SVG. */
export function svg(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  return filled(document.createElementNS(SVG, tag), classes, properties, children);
}

function filled(element, classes, properties, children) {
  if (classes.length) element.setAttribute('class', classes.join(' '));
  for (const [key, value] of Object.entries(properties)) set(element, key, value);
  element.append(...nodes(children));
  return element;
}

function set(element, key, value) {
  if (typeof value === 'function') element.addEventListener(key.slice(2), value);
  else if (value === undefined || value === null) return;
  else if (PROPERTIES.has(key)) element[key] = value;
  else if (value === false) return;
  else if (key.startsWith('on') || key === 'style' || key === 'srcdoc') throw new Error(`no ${key} by text`);
  else if (ADDRESSES.has(key) && !/^(#|blob:)/.test(value)) throw new Error(`no ${key} to elsewhere`);
  else element.setAttribute(key, value === true ? '' : String(value));
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(shown(String(child)))));
}

// Characters that turn the direction of what follows, or cannot be seen, could make a name look like another.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Text in which what cannot be seen is shown by its number. */
export function shown(text) {
  return text.replace(UNSEEN, (c) => `⟨${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

/** Puts other children in the place of those that are there. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

let numbers = 0;

/** An id that no other element has. */
export function fresh(word) {
  numbers += 1;
  return `${word}-${numbers}`;
}
