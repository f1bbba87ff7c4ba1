// Source text into functions, and CommonJS modules that lie inside the design document.
(function (native, errors) {
  "use strict";

  const { Map, Object, Reflect, String } = globalThis;
  const { cut, text, speaks, fail } = errors;
  const loaded = new Map();
  let root = null;

  function setRoot(document) {
    root = document;
  }

  // A function's source, as the expression that design documents hold: with or without a name or
  // parentheses around it, a semicolon or comments after it.
  function compile(source) {
    if (typeof source !== "string") {
      fail("compilation_error", `Expression does not eval to a function. (${text(source)})`);
    }
    let compiled;
    try {
      compiled = native.evaluate("0," + source);
    } catch (error) {
      if (speaks(error)) throw error;
      fail("compilation_error", `${text(error)} (${cut(source)})`);
    }
    if (typeof compiled !== "function") {
      fail("compilation_error", `Expression does not eval to a function. (${cut(source)})`);
    }
    return compiled;
  }

  function require(name, from = []) {
    const names = resolve(String(name), from);
    const id = names.join("/");
    const known = loaded.get(id);
    if (known !== undefined) return known.exports;
    const source = find(names);
    const module = { id, exports: {} };
    // Known before it has run, so that modules may require each other.
    loaded.set(id, module);
    try {
      const body = native.evaluate(`(function (module, exports, require) { ${source}\n})`);
      Reflect.apply(body, module.exports, [module, module.exports, (name) => require(name, names)]);
    } catch (error) {
      loaded.delete(id);
      if (speaks(error)) throw error;
      fail("compilation_error", `Module require('${name}') raised error ${text(error)}`);
    }
    return module.exports;
  }

  // The names that lead to a module from the document's top.
  function resolve(name, from) {
    const steps = name.split("/");
    const relative = steps[0] === "." || steps[0] === "..";
    const names = relative ? from.slice(0, -1) : [];
    if (relative && from.length === 0) {
      fail("invalid_require_path", "Object has no parent " + shown(root));
    }
    for (const step of steps) {
      if (step === ".") continue;
      if (step !== "..") {
        names.push(step);
      } else if (names.pop() === undefined) {
        fail("invalid_require_path", "Object has no parent " + shown(root));
      }
    }
    return names;
  }

  function find(names) {
    let current = root;
    for (const name of names) {
      const inside = current !== null && typeof current === "object" &&
        Object.hasOwn(current, name);
      if (!inside) {
        fail("invalid_require_path", `Object has no property "${name}". ${shown(current)}`);
      }
      current = current[name];
    }
    if (typeof current !== "string") {
      fail("invalid_require_path", "Must require a JavaScript string, not: " + typeof current);
    }
    return current;
  }

  function shown(value) {
    return cut(text(value), 200);
  }

  return { setRoot, compile, require };
})
