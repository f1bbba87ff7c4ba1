// What functions throw, in CouchDB's words.
(function () {
  "use strict";

  const { Array, Boolean, Error, InternalError, JSON, String } = globalThis;
  const TEXT_MAX = 4096;

  function cut(text, max = TEXT_MAX) {
    return text.length > max ? text.slice(0, max) + "…" : text;
  }

  // A thrown value as text: errors as they print themselves, all else as JSON.
  function text(value) {
    if (typeof value === "string") return cut(value);
    if (value instanceof Error) return cut(`${value.name}: ${value.message}`);
    const json = JSON.stringify(value);
    return cut(json === undefined ? String(value) : json);
  }

  function isList(value, word) {
    return Array.isArray(value) && value[0] === word;
  }

  // Whether the thrown value says itself what is to be answered.
  function speaks(error) {
    return isList(error, "error") || isList(error, "fatal") ||
      error !== null && typeof error === "object" && Boolean(error.error && error.reason);
  }

  function isExhausted(error) {
    return error instanceof InternalError && error.message === "out of memory";
  }

  // The kind of an error, its word and its reason.
  function describe(error) {
    if (isList(error, "fatal") || isList(error, "error")) {
      return [error[0], text(error[1]), text(error[2])];
    }
    if (error === null) return ["memory", "", ""];
    if (error === undefined) return ["error", "unnamed_error", "undefined"];
    if (isExhausted(error)) return ["memory", "", ""];
    if (error.error && error.reason) return ["error", text(error.error), text(error.reason)];
    if (error instanceof Error) return ["error", text(error.name), text(error.message)];
    return ["error", "unnamed_error", text(error)];
  }

  function fail(word, reason) {
    throw ["error", word, reason];
  }

  return { cut, text, speaks, isExhausted, describe, fail };
})
