// Figures and moments as people read them.

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in the largest unit that leaves a figure of at least one. */
export function size(bytes) {
  if (!Number.isFinite(bytes)) return '';
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return unit === 0 ? plural(bytes, 'byte') : `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** `1 document`, `2 documents`. */
export function plural(count, noun, many = `${noun}s`) {
  return `${number(count)} ${count === 1 ? noun : many}`;
}

export function number(value) {
  return Number(value ?? 0).toLocaleString('en-GB');
}

/** How long something takes, or took. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** How long ago a moment was, in Unix milliseconds. */
export function ago(at, now = Date.now()) {
  if (!at) return 'never';
  const seconds = (now - at) / 1000;
  if (seconds < -60) return `in ${duration(-seconds)}`;
  return seconds < 45 ? 'just now' : `${duration(seconds)} ago`;
}

/** A moment by the calendar. */
export function moment(at) {
  if (!at) return '';
  return new Date(at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

/** A key or a revision, cut to where people still tell it from others. */
export function short(text, length = 10) {
  const all = String(text ?? '');
  return all.length > length ? `${all.slice(0, length)}…` : all;
}
