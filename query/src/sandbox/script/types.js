// Names of content types, and which of those that a function provides a request wants.
(function (errors) {
  "use strict";

  const { Map, Reflect, parseFloat } = globalThis;
  const known = new Map();
  const names = new Map();
  let provided = [];
  let chosen = null;

  function registerType(name, ...types) {
    known.set(name, types);
    for (const type of types) names.set(type, name);
  }

  for (const entry of [
    ["all", "*/*"],
    ["text", "text/plain; charset=utf-8", "txt"],
    ["html", "text/html; charset=utf-8"],
    ["xhtml", "application/xhtml+xml", "xhtml"],
    ["xml", "application/xml", "text/xml", "application/x-xml"],
    ["js", "text/javascript", "application/javascript", "application/x-javascript"],
    ["css", "text/css"],
    ["ics", "text/calendar"],
    ["csv", "text/csv"],
    ["rss", "application/rss+xml"],
    ["atom", "application/atom+xml"],
    ["yaml", "application/x-yaml", "text/yaml"],
    ["multipart_form", "multipart/form-data"],
    ["url_encoded_form", "application/x-www-form-urlencoded"],
    ["json", "application/json", "text/x-json"],
  ]) {
    registerType(...entry);
  }

  function provides(name, body) {
    provided.push([name, body]);
  }

  function reset() {
    provided = [];
    chosen = null;
  }

  function isUsed() {
    return provided.length > 0;
  }

  function chosenType() {
    return chosen;
  }

  // Runs what was provided for the type that the request wants.
  function run(request, design) {
    const accept = request.headers && request.headers.Accept;
    const format = request.query && request.query.format;
    const wanted = format ? format : accept ? accepted(accept) : provided[0][0];
    const entry = provided.find(([name]) => name === wanted);
    if (entry === undefined) {
      const supported = provided.map(([name]) => typesOf(name).join(", ") || name);
      errors.fail(
        "not_acceptable",
        `Content-Type ${accept || wanted} not supported, try one of: ${supported.join(", ")}`,
      );
    }
    if (format || !accept) chosen = typesOf(wanted)[0];
    return Reflect.apply(entry[1], design, []);
  }

  function typesOf(name) {
    return known.get(name) || [];
  }

  // The name of the best match for a header `Accept`; of equals what was provided first.
  function accepted(accept) {
    const ranges = accept.split(",").map(parse);
    let best = { quality: 0, fitness: -1 };
    for (const [name] of provided) {
      for (const type of typesOf(name)) {
        const match = matchOf(parse(type), ranges);
        if (match.quality > 0 && isBetter(match, best)) best = { ...match, type };
      }
    }
    if (best.type === undefined) return undefined;
    chosen = best.type;
    return names.get(best.type);
  }

  function isBetter(match, best) {
    return match.fitness > best.fitness ||
      match.fitness === best.fitness && match.quality > best.quality;
  }

  // How well a type fits the range that names it most closely.
  function matchOf(type, ranges) {
    let best = { quality: 0, fitness: -1 };
    for (const range of ranges) {
      const fits = (range.main === "*" || type.main === "*" || range.main === type.main) &&
        (range.sub === "*" || type.sub === "*" || range.sub === type.sub);
      if (!fits) continue;
      let fitness = (range.main === type.main ? 100 : 0) + (range.sub === type.sub ? 10 : 0);
      for (const [name, value] of type.parameters) {
        if (name !== "q" && range.parameters.get(name) === value) fitness += 1;
      }
      if (fitness > best.fitness) best = { fitness, quality: range.quality };
    }
    return best;
  }

  function parse(text) {
    const [full, ...rest] = text.split(";").map((part) => part.trim());
    const parameters = new Map(rest.map((part) => part.split("=").map((side) => side.trim())));
    const given = parseFloat(parameters.get("q"));
    const quality = given >= 0 && given <= 1 ? given : 1;
    const [main, sub] = (full === "*" ? "*/*" : full).split("/");
    return { main, sub, parameters, quality };
  }

  return { registerType, provides, reset, isUsed, chosenType, run };
})
