// What functions find in their world, and how they are called.
(function (native, errors, modules, types, makeRender, freezeGlobals) {
  "use strict";

  const world = globalThis;
  const { Array, Boolean, Error, JSON, Map, Number, Object, Reflect, String, TypeError } = world;
  const { freeze, values } = Object;
  const { text, fail } = errors;
  const { compile } = modules;
  const render = makeRender(native, errors, types, log);
  const compiled = new Map();
  let design = null;
  let mapping = false;
  let emitted = false;
  let indexing = false;

  function emit(key, value) {
    if (mapping) native.emit(key, value);
    else emitted = true;
  }

  function sum(values) {
    let total = 0;
    for (const key in values) total += values[key];
    return total;
  }

  function log(message) {
    native.log(typeof message === "string" ? message : String(JSON.stringify(message)));
  }

  const globals = {
    emit,
    sum,
    log,
    isArray: Array.isArray,
    toJSON: JSON.stringify,
    require: (name) => modules.require(name),
    getRow: render.getRow,
    send: render.send,
    start: render.start,
    provides: types.provides,
    registerType: types.registerType,
  };
  for (const name in globals) {
    Object.defineProperty(world, name, {
      value: globals[name], writable: true, enumerable: false, configurable: true,
    });
  }
  const base = freezeGlobals();
  let kept = Reflect.ownKeys(world).length;

  // Takes away what a function has left in the global object.
  function tidy() {
    const names = Reflect.ownKeys(world);
    if (Reflect.getPrototypeOf(world) !== base || !Reflect.isExtensible(world)) {
      throw ["fatal", "compilation_error", "Functions do not alter the global object."];
    }
    if (names.length === kept) return;
    for (const name of names) {
      if (name === "NaN" || name === "Infinity" || name === "undefined") continue;
      if (indexing && name === "index") continue;
      if (!Reflect.deleteProperty(world, name)) {
        throw ["fatal", "compilation_error", `Functions declare no globals. (${String(name)})`];
      }
    }
  }

  // Freezes a value that came from JSON, as deep as it goes.
  function seal(value) {
    if (value === null || typeof value !== "object") return;
    const inner = values(value);
    for (let at = 0; at < inner.length; at++) {
      if (typeof inner[at] === "object") seal(inner[at]);
    }
    freeze(value);
  }

  function setLibrary(json) {
    modules.setRoot({ views: { lib: JSON.parse(json) } });
  }

  function setDesign(json) {
    design = JSON.parse(json);
    seal(design);
    modules.setRoot(design);
  }

  function setMapping(whether) {
    mapping = whether;
  }

  // What an index function calls; there is no such name in the worlds of other functions.
  function setIndexing(typed) {
    Object.defineProperty(world, "index", {
      value: typed ? indexTyped : indexAny, writable: false, enumerable: false, configurable: false,
    });
    indexing = true;
    kept = Reflect.ownKeys(world).length;
  }

  function indexAny(name, value, options) {
    checkField(name, options);
    const given = options || {};
    const type = typeof value === "number" ? "double" : "text";
    const boost = given.boost;
    if (typeof value === "boolean") value = String(value);
    checkValue(value, type === "double" ? "number" : "string", "value");
    native.emit({
      type, name, store: isWanted(given.store), facet: isWanted(given.facet),
      index: given.index === undefined || isWanted(given.index),
      boost: typeof boost === "number" && boost >= 0 && boost <= 1e6 ? boost : 1,
    }, value);
  }

  function indexTyped(type, name, value, options) {
    checkField(name, options);
    if (type === "double") checkValue(value, "number", "value");
    else if (type === "string" || type === "text") checkValue(value, "string", "value");
    else if (type !== "stored") throw new TypeError(`${text(type)} is no type of a field`);
    else checkValue(value, typeof value === "number" ? "number" : "string", "value");
    const store = type === "stored" || isWanted((options || {}).store);
    native.emit({ type, name, store, facet: type === "string", index: type !== "stored" }, value);
  }

  function checkField(name, options) {
    checkValue(name, "string", "name");
    if (name === "" || name.length > 256) {
      throw new TypeError("name must have 1 to 256 characters");
    }
    if (name[0] === "_") throw new TypeError("name must not start with an underscore");
    for (let at = 0; at < name.length; at++) {
      if (name[at] < " ") throw new TypeError("name must have no control characters");
    }
    if (options && typeof options !== "object") {
      throw new TypeError(`options must be an object, not ${typeof options}`);
    }
  }

  function checkValue(value, type, what) {
    if (typeof value !== type || type === "number" && !Number.isFinite(value)) {
      throw new TypeError(`${what} must be a ${type}, not ${text(value)}`);
    }
  }

  // Options are true or false, or the words that Lucene has for it.
  function isWanted(option) {
    return Boolean(option) && option !== "no" && option !== "NO" && option !== "false";
  }

  // What becomes of an exception in a function of a view: it is logged, or ends everything.
  function viewError(error, document) {
    if (error === "fatal_error") {
      fail("map_runtime_error", "function raised 'fatal_error'");
    }
    if (Array.isArray(error) && error[0] === "fatal" || errors.isExhausted(error)) throw error;
    const of = document ? ` with doc._id ${text(document._id)}` : "";
    log(`function raised exception ${text(error)}${of}`);
  }

  function reduce(body, keys, values, again) {
    try {
      const result = body(again ? null : JSON.parse(keys), JSON.parse(values), again);
      const json = JSON.stringify(result);
      return json === undefined ? "null" : json;
    } catch (error) {
      viewError(error);
      return "null";
    }
  }

  // The function that a path leads to in the design document, compiled once.
  function find(path) {
    const key = path.join("\u0000");
    const known = compiled.get(key);
    if (known !== undefined) return known;
    let source = design;
    for (const name of path) {
      const inside = source !== null && typeof source === "object" && Object.hasOwn(source, name);
      source = inside ? source[name] : undefined;
    }
    if (!source) {
      const name = path[0] === "views" ? path[1] : path[path.length - 1];
      fail("not_found", `missing ${path[0]} function ${name} on design doc ${text(design._id)}`);
    }
    const body = compile(source);
    compiled.set(key, body);
    return body;
  }

  // Runs a function of the design document; what it is given is JSON, and what it answers.
  function call(path, args) {
    const body = find(path);
    const given = args.map((json) => JSON.parse(json));
    switch (path[0]) {
      case "validate_doc_update": return validate(body, given);
      case "filters": return filter(body, given);
      case "views": return filterByView(body, given);
      case "updates": return render.update(body, design, ...given);
      case "shows": return [render.show(body, design, ...given)];
      case "lists": return [render.list(body, design, ...given)];
      default: return [rewrite(body, given)];
    }
  }

  function validate(body, given) {
    try {
      Reflect.apply(body, design, given);
      return [];
    } catch (error) {
      if (typeof error === "string") throw ["error", "unknown_error", text(error)];
      if (error === null || typeof error !== "object" || error instanceof Error) throw error;
      for (const word of ["forbidden", "unauthorized"]) {
        if (Object.hasOwn(error, word)) return [word, text(error[word])];
      }
      const names = Object.keys(error);
      if (Array.isArray(error) || names.length !== 1) throw error;
      throw ["error", "unknown_error", text(error[names[0]])];
    }
  }

  function filter(body, [documents, request]) {
    return documents.map((document) => {
      return Reflect.apply(body, design, [document, request]) ? "1" : "0";
    });
  }

  function filterByView(body, [documents]) {
    return documents.map((document) => {
      emitted = false;
      Reflect.apply(body, design, [document]);
      return emitted ? "1" : "0";
    });
  }

  function rewrite(body, given) {
    try {
      const json = JSON.stringify(Reflect.apply(body, design, given));
      return json === undefined ? "null" : json;
    } catch (error) {
      if (error === null || typeof error !== "object") throw error;
      for (const word of ["forbidden", "unauthorized"]) {
        if (Object.hasOwn(error, word)) fail(word, text(error[word]));
      }
      throw error;
    }
  }

  return {
    compile, setLibrary, setDesign, setMapping, setIndexing, tidy, viewError, reduce, call,
    describe: errors.describe,
  };
})
