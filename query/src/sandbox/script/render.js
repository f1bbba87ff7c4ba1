// Functions that answer requests: show, update and list.
(function (native, errors, types, log) {
  "use strict";

  const { Array, Error, JSON, Reflect, String } = globalThis;
  const { text, speaks, fail } = errors;
  let chunks = [];
  let head = {};
  let started = false;
  let ended = false;
  let listing = false;

  function reset() {
    types.reset();
    chunks = [];
    head = {};
    started = false;
    ended = false;
  }

  function start(response) {
    head = response || {};
  }

  function send(chunk) {
    chunks.push(String(chunk));
  }

  function getRow() {
    if (!listing) fail("render_error", "rows are there for list functions only");
    if (ended) return null;
    if (started) flush();
    else begin();
    const row = native.nextRow();
    if (typeof row !== "string") {
      ended = true;
      return null;
    }
    return JSON.parse(row);
  }

  function begin() {
    started = true;
    output("start", JSON.stringify(withType(head)));
    flush();
  }

  function flush() {
    const waiting = chunks;
    chunks = [];
    for (const chunk of waiting) output("chunk", chunk);
  }

  function output(kind, text) {
    if (!native.output(kind, text)) throw ["fatal", "list_error", "nobody reads the list"];
  }

  function show(body, design, document, request) {
    try {
      reset();
      let response = wrap(Reflect.apply(body, design, [document, request]) || {});
      if (chunks.length > 0) {
        response.headers = { ...head.headers, ...response.headers };
        if (response.code === undefined && head.code !== undefined) response.code = head.code;
        response.body = chunks.join("") + (response.body || "");
        chunks = [];
      }
      if (types.isUsed()) {
        const provided = wrap(types.run(request, design) || {});
        const body = (response.body || "") + chunks.join("") + (provided.body || "");
        response = withType({ ...provided, ...response, body });
      }
      return JSON.stringify(answer(response, "show"));
    } catch (error) {
      const path = request && request.path;
      if (document === null && path && path.length > 5 && !errors.isExhausted(error)) {
        fail("not_found", "document not found");
      }
      throw renderError(error);
    } finally {
      reset();
    }
  }

  function update(body, design, document, request) {
    try {
      reset();
      if (request.method === "GET") {
        fail("method_not_allowed", "Update functions do not allow GET");
      }
      const result = Reflect.apply(body, design, [document, request]);
      const response = answer(result[1], "update");
      const changed = result[0];
      return [changed ? JSON.stringify(changed) : null, JSON.stringify(response)];
    } catch (error) {
      throw renderError(error);
    }
  }

  function list(body, design, about, request) {
    try {
      reset();
      listing = true;
      let tail = Reflect.apply(body, design, [about, request]);
      if (types.isUsed()) tail = types.run(request, design);
      if (!started) getRow();
      if (tail !== undefined) send(tail);
      flush();
    } catch (error) {
      throw renderError(error);
    } finally {
      listing = false;
      reset();
    }
  }

  function wrap(response) {
    return typeof response === "string" ? { body: response } : response;
  }

  function answer(response, kind) {
    const wrapped = wrap(response);
    if (wrapped === null || typeof wrapped !== "object" || Array.isArray(wrapped)) {
      fail("render_error", `undefined response from ${kind} function`);
    }
    return wrapped;
  }

  function withType(response) {
    const type = types.chosenType();
    const headers = { ...response.headers };
    if (type && !headers["Content-Type"]) headers["Content-Type"] = type;
    return { ...response, headers };
  }

  function renderError(error) {
    if (speaks(error) || errors.isExhausted(error)) return error;
    const stack = error instanceof Error ? text(error.stack) : "";
    const message = `function raised error: ${text(error)} \nstacktrace: ${stack}`;
    log(message);
    return ["error", "render_error", message];
  }

  return { start, send, getRow, show, update, list };
})
