// Takes away what would tell a function the time, chance or another function's doings, and what
// would run for ever in the engine's own code, where no deadline is looked at. Gives back what
// freezes the rest, once everything else is in its place.
(function (native) {
  "use strict";

  // An array of more elements than this would not fit the memory, so whatever claims more is sparse.
  const LENGTH_MAX = 1 << 23;
  // From this size on, a step of the engine looks at the deadline first.
  const LARGE = 1 << 12;
  const SEARCH_MAX = 2 ** 30;
  const NORMALIZED_MAX = 1 << 16;

  // What is looked up by name later could be something that a function has put there.
  const world = globalThis;
  const { ArrayBuffer, EvalError, RangeError, RegExp, Set, TypeError } = world;
  const { apply, construct, ownKeys, getPrototypeOf, setPrototypeOf } = Reflect;
  const { defineProperty, getOwnPropertyDescriptor, freeze } = Object;
  const { isArray } = Array;
  const string = world.String;

  function hide(object, name, value) {
    defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
  }

  // Puts a function before a method; it has the method's name and is no constructor.
  function before(prototype, names, check) {
    for (const name of names) {
      const method = prototype[name];
      if (typeof method !== "function") continue;
      const guarded = {
        [name](...args) {
          check(this, args);
          return apply(method, this, args);
        },
      }[name];
      defineProperty(guarded, "length", { value: method.length, configurable: true });
      hide(prototype, name, guarded);
    }
  }

  // Only a length that cannot change between this look and the engine's own is believed.
  function boundLength(value) {
    if (value === null || typeof value !== "object" && typeof value !== "function") return;
    if (isArray(value)) {
      if (value.length > LARGE) boundCount(value.length);
      return;
    }
    const found = getOwnPropertyDescriptor(value, "length");
    if (found === undefined && !("length" in value)) return;
    if (ArrayBuffer.isView(value)) return native.tick();
    if (found === undefined || typeof found.value !== "number") {
      throw new TypeError("the length of an array-like object must be its own number");
    }
    boundCount(found.value);
  }

  function boundCount(count) {
    if (count > LENGTH_MAX) throw new RangeError("invalid array length");
    if (count > LARGE) native.tick();
  }

  function guardArrays() {
    before(
      Array.prototype,
      [
        "copyWithin", "fill", "flat", "includes", "indexOf", "join", "lastIndexOf", "pop", "push", "reverse", "shift", "slice",
        "splice", "toLocaleString", "toReversed", "toSpliced", "unshift", "with",
      ],
      boundLength,
    );
    before(Array.prototype, ["concat"], (array, args) => {
      boundLength(array);
      for (const arg of args) boundLength(arg);
    });
    // Without a comparison of its own a sort would compare long strings out of the deadline's sight.
    before(Array.prototype, ["sort", "toSorted"], (array, args) => {
      boundLength(array);
      if (args[0] === undefined) {
        args[0] = (left, right) => {
          const a = string(left);
          const b = string(right);
          return a < b ? -1 : a > b ? 1 : 0;
        };
      }
    });
    const flat = Array.prototype.flat;
    hide(Array.prototype, "flat", function (depth = 1) {
      if (depth > 0) for (const inner of this) boundLength(inner);
      if (!(depth > 1)) return apply(flat, this, [depth]);
      const once = apply(flat, this, [1]);
      return once.some(isArray) ? once.flat(depth - 1) : once;
    });
    before(
      getPrototypeOf(Uint8Array.prototype),
      [
        "copyWithin", "fill", "includes", "indexOf", "join", "lastIndexOf", "reverse", "set", "slice",
        "sort", "toReversed", "toSorted", "with",
      ],
      boundLength,
    );
    const map = Array.prototype.map;
    hide(Array.prototype, "flatMap", function (body, self) {
      return apply(map, this, [body, self]).flat();
    });
    delete Array.fromAsync;
  }

  function guardStrings() {
    before(
      String.prototype,
      ["includes", "indexOf", "lastIndexOf", "replace", "replaceAll", "split"],
      (text, args) => {
        if (typeof text !== "string" || text.length <= LARGE) return;
        native.tick();
        const sought = args[0];
        if (typeof sought === "object" && sought !== null) {
          if (sought instanceof RegExp) return;
          throw new TypeError("a long text is searched for strings and regular expressions only");
        }
        if (string(sought).length * text.length > SEARCH_MAX) {
          throw new RangeError("a text is too long to be searched for a text this long");
        }
      },
    );
    before(
      String.prototype,
      [
        "concat", "isWellFormed", "padEnd", "padStart", "repeat", "toLocaleLowerCase",
        "toLocaleUpperCase", "toLowerCase", "toUpperCase", "toWellFormed", "trim", "trimEnd",
        "trimStart",
      ],
      (text) => {
        if (typeof text === "string" && text.length > LARGE) native.tick();
      },
    );
    before(String.prototype, ["localeCompare", "normalize"], (text, args) => {
      const other = args[0] === undefined ? "" : string(args[0]);
      args[0] = args[0] === undefined ? undefined : other;
      if (string(text).length + other.length > NORMALIZED_MAX) {
        throw new RangeError("a text is too long to be normalized");
      }
    });
    hide(string, "raw", {
      raw(strings, ...values) {
        const parts = strings.raw;
        let text = "";
        for (let at = 0; at < parts.length; at++) {
          if (at > 0 && at <= values.length) text += string(values[at - 1]);
          text += string(parts[at]);
        }
        return text;
      },
    }.raw);
    before(JSON, ["stringify"], (_, args) => {
      native.tick();
      boundLength(args[1]);
    });
    before(JSON, ["parse"], () => native.tick());
    // A search for many matches looks at the deadline only where each is a call.
    before(RegExp.prototype, ["exec"], () => {});
  }

  // A native set takes what an iterator gives without looking at the deadline.
  function guardSets() {
    const NativeSet = Set;
    const prototype = NativeSet.prototype;
    const add = prototype.add;
    const guarded = function Set(values) {
      if (new.target === undefined) throw new TypeError("constructor Set requires 'new'");
      const set = construct(NativeSet, [], new.target);
      if (values !== undefined && values !== null) {
        for (const value of values) apply(add, set, [value]);
      }
      return set;
    };
    replaceConstructor("Set", NativeSet, guarded, ["groupBy"]);
    for (const name of [
      "difference", "intersection", "isDisjointFrom", "isSubsetOf", "isSupersetOf",
      "symmetricDifference", "union",
    ]) {
      delete prototype[name];
    }
    const iterators = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));
    for (const name of ownKeys(iterators)) {
      if (name !== Symbol.iterator) delete iterators[name];
    }
  }

  function replaceConstructor(name, original, replacement, statics) {
    defineProperty(replacement, "prototype", {
      value: original.prototype, writable: false, enumerable: false, configurable: false,
    });
    hide(original.prototype, "constructor", replacement);
    for (const key of statics) {
      if (typeof original[key] === "function") hide(replacement, key, original[key]);
    }
    const species = getOwnPropertyDescriptor(original, Symbol.species);
    if (species !== undefined) defineProperty(replacement, Symbol.species, species);
    hide(world, name, replacement);
  }

  // It is always the first moment of 1970.
  function stopClock() {
    const NativeDate = Date;
    const stopped = function Date(...args) {
      if (new.target === undefined) return new NativeDate(0).toString();
      return construct(NativeDate, args.length === 0 ? [0] : args, new.target);
    };
    defineProperty(stopped, "length", { value: 7, configurable: true });
    replaceConstructor("Date", NativeDate, stopped, ["UTC", "parse"]);
    hide(stopped, "now", { now() { return 0; } }.now);
    hide(Math, "random", { random() { return 0; } }.random);
  }

  // No text becomes code but that of the design document.
  function closeCompiler() {
    const NativeFunction = Function;
    const closed = function Function() {
      throw new EvalError("code generation from strings is not allowed");
    };
    replaceConstructor("Function", NativeFunction, closed, []);
    for (const kind of [function* () {}, async function () {}, async function* () {}]) {
      delete getPrototypeOf(kind).constructor;
    }
    for (const name of ["prepareStackTrace", "stackTraceLimit", "captureStackTrace"]) {
      delete Error[name];
    }
    for (const name of [
      "eval", "queueMicrotask", "performance", "navigator", "Atomics", "SharedArrayBuffer", "WeakRef",
      "FinalizationRegistry", "Proxy", "Iterator", "AsyncIterator", "DOMException", "Promise",
      "gc", "print", "console", "scriptArgs", "ShadowRealm", "DisposableStack",
      "AsyncDisposableStack",
    ]) {
      delete world[name];
    }
  }

  // What a frozen prototype has, an object that inherits from it could not be given by assignment.
  // These are the names that objects and kinds of errors are given.
  function allowOwn(prototype, names) {
    for (const name of names) {
      const found = getOwnPropertyDescriptor(prototype, name);
      if (found === undefined || !("value" in found)) continue;
      const { value } = found;
      defineProperty(prototype, name, {
        get() { return value; },
        set(given) {
          if (this === prototype) throw new TypeError(`'${string(name)}' is read-only`);
          if (this === null || typeof this !== "object" && typeof this !== "function") return;
          defineProperty(this, name, {
            value: given, writable: true, enumerable: true, configurable: true,
          });
        },
        enumerable: false,
        configurable: true,
      });
    }
  }

  function freezeAll(roots) {
    allowOwn(Object.prototype, ["constructor", "toString", "toLocaleString", "valueOf"]);
    allowOwn(Function.prototype, ["constructor", "toString"]);
    for (const kind of [
      Error, AggregateError, EvalError, InternalError, RangeError, ReferenceError, SyntaxError,
      TypeError, URIError,
    ]) {
      allowOwn(kind.prototype, ["constructor", "name", "message", "toString"]);
    }
    const seen = new Set();
    const waiting = [...roots];
    while (waiting.length > 0) {
      const object = waiting.pop();
      if (object === null || typeof object !== "object" && typeof object !== "function") continue;
      if (object === world || seen.has(object)) continue;
      seen.add(object);
      waiting.push(getPrototypeOf(object));
      for (const key of ownKeys(object)) {
        const found = getOwnPropertyDescriptor(object, key);
        waiting.push(found.value, found.get, found.set);
      }
      freeze(object);
    }
  }

  // The global object itself stays empty: it inherits all there is, so whatever a function leaves
  // in it is easily seen and taken away.
  function freezeGlobals() {
    const base = {};
    for (const key of ownKeys(world)) {
      const found = getOwnPropertyDescriptor(world, key);
      if (!found.configurable) continue;
      defineProperty(base, key, found);
      delete world[key];
    }
    setPrototypeOf(world, base);
    freezeAll([
      base,
      function* () {}, async function () {}, async function* () {},
      [][Symbol.iterator](), new Set()[Symbol.iterator](), new Map()[Symbol.iterator](),
      ""[Symbol.iterator](), "".matchAll(/x/g), (function* () {})(),
    ]);
    return base;
  }

  guardArrays();
  guardStrings();
  guardSets();
  stopClock();
  closeCompiler();
  return freezeGlobals;
})
