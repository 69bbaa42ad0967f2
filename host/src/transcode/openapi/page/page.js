"use strict";
// Shows an OpenAPI document, and calls what it describes. Texts from the document become text nodes, never markup.
(() => {
  const DEPTH_MAX = 6; // of examples
  const SHOWN_MAX = 1 << 20; // characters of an answer
  const OPEN_MAX = 30; // operations that a filter opens groups for
  const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
  const main = document.getElementById("main");
  const filter = document.getElementById("filter");
  const count = document.getElementById("count");
  let api = {};
  let groups = [];
  let numbers = 0;

  // An element with properties and children; strings are text.
  function make(name, properties, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key === "class") element.className = value;
      else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== ""));
    return element;
  }

  // A text with code between backticks.
  function prose(text, kind = "p") {
    if (!text) return null;
    const pieces = String(text).split("`");
    const nodes = pieces.map((piece, index) => (index % 2 && index < pieces.length - 1 ? make("code", null, piece) : piece));
    return make(kind, { class: "text" }, nodes);
  }

  // Something to open. What is inside is made when it is opened for the first time.
  function lazy(properties, summary, inside) {
    const element = make("details", properties, make("summary", null, summary));
    element.fill = () => {
      if (!element.filled) {
        element.filled = true;
        element.append(make("div", { class: "inside" }, inside()));
      }
    };
    element.addEventListener("toggle", () => element.open && element.fill());
    return element;
  }

  function resolve(value) {
    for (let hops = 0; value && typeof value.$ref === "string" && hops < 10; hops++) {
      const { $ref, ...beside } = value;
      let found = api;
      for (const part of $ref.replace(/^#\//, "").split("/")) {
        const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
        found = found && Object.hasOwn(found, name) ? found[name] : undefined;
      }
      value = { ...found, ...beside };
    }
    return value || {};
  }

  const nameOf = schema => (schema && schema.$ref ? String(schema.$ref).split("/").pop() : "");

  // A schema in a word or two.
  function kind(schema) {
    if (!schema || Object.keys(schema).length === 0) return "any JSON";
    if (schema.$ref) return nameOf(schema);
    if (schema.type === "array") return "list of " + kind(schema.items);
    if (schema.type === "object" && typeof schema.additionalProperties === "object") return "map of " + kind(schema.additionalProperties);
    const types = [].concat(schema.type || "any").join(" or ");
    return schema.format ? `${types} (${schema.format})` : types;
  }

  // What there is to open in a schema.
  function inner(schema) {
    const plain = resolve(schema);
    if (plain.type === "array") return inner(plain.items);
    if (plain.properties || plain.enum) return plain;
    return typeof plain.additionalProperties === "object" ? inner(plain.additionalProperties) : null;
  }

  function schemaBody(schema) {
    const parts = [prose(schema.description)];
    if (schema.enum) parts.push(make("p", null, schema.enum.flatMap((value, index) => [index ? ", " : "", make("code", null, String(value))])));
    const required = new Set(schema.required || []);
    for (const [name, property] of Object.entries(schema.properties || {})) {
      const plain = resolve(property);
      const head = [
        make("span", { class: "name" }, name), " ", make("span", { class: "faint" }, kind(property)),
        ...["required", "readOnly", "writeOnly", "deprecated"].filter(flag => (flag === "required" ? required.has(name) : plain[flag])).map(badge),
      ];
      const deeper = inner(property);
      const text = deeper && property.$ref ? property.description : plain.description;
      parts.push(make("div", { class: "property" },
        deeper ? lazy(null, head, () => schemaBody(deeper)) : make("div", null, head), prose(text)));
    }
    for (const [name, members] of Object.entries(schema["x-oneof"] || {})) {
      parts.push(make("p", { class: "faint" }, `At most one of ${[].concat(members).join(", ")} (${name}).`));
    }
    return make("div", { class: "schema" }, parts);
  }

  function schemaView(schema) {
    if (!schema) return null;
    const deeper = inner(schema);
    const head = make("span", { class: "name" }, kind(schema));
    return deeper ? lazy(null, [head], () => schemaBody(deeper)) : make("div", null, head, prose(schema.description));
  }

  const badge = text => make("span", { class: "badge" }, { readOnly: "read only", writeOnly: "write only" }[text] || text);

  // A value that fits a schema: where there is a choice, the simplest.
  function example(schema, depth = 0) {
    const plain = resolve(schema);
    if (plain.example !== undefined) return plain.example;
    if (plain.enum) return plain.enum[0];
    switch ([].concat(plain.type)[0]) {
      case "object": {
        const made = {};
        if (depth >= DEPTH_MAX) return made;
        const chosen = new Set();
        const oneofs = Object.values(plain["x-oneof"] || {});
        for (const [name, property] of Object.entries(plain.properties || {})) {
          const oneof = oneofs.find(members => [].concat(members).includes(name));
          if (resolve(property).readOnly || (oneof && chosen.has(oneof))) continue;
          if (oneof) chosen.add(oneof);
          // Recursion would go on for ever: lists end it, and so does what is not required.
          if (depth >= 2 && inner(property) && !resolve(property).enum) continue;
          Object.defineProperty(made, name, { value: example(property, depth + 1), enumerable: true, configurable: true, writable: true });
        }
        return made;
      }
      case "array": return depth >= 2 ? [] : [example(plain.items, depth + 1)];
      case "integer": case "number": return 0;
      case "boolean": return false;
      case "string":
        if (/^u?int64$/.test(plain.format)) return "0";
        if (plain.format === "date-time") return new Date().toISOString();
        return plain.pattern && plain.pattern.endsWith("s$") ? "1s" : "";
      default: return null;
    }
  }

  // A labelled input, select or text area, with what there is to say of it.
  function field(label, input, notes) {
    input.id = `field-${++numbers}`;
    return make("div", { class: "field" }, make("label", { htmlFor: input.id }, label), make("div", null, input, notes));
  }

  // The schema of one message, if it is a stream.
  const itemOf = media => ((media.schema || {}).contentSchema || {}).items;
  const mediaOf = content => Object.entries(content || {});

  function parameterInput(parameter) {
    const schema = resolve(parameter.schema || { type: "object" });
    if (schema.enum || schema.type === "boolean") {
      return make("select", null, ["", ...(schema.enum || ["true", "false"])].map(value => make("option", { value: String(value) }, String(value))));
    }
    const many = schema.type === "array";
    const json = parameter.content || schema.type === "object";
    if (many || json) return make("textarea", { rows: 2, spellcheck: false, placeholder: many ? "one on each line" : "JSON" });
    return make("input", { type: "text", spellcheck: false, autocomplete: "off", placeholder: schema.pattern || "" });
  }

  // The segments of a path; slashes stay where the parameter may have them.
  const encodePath = (text, slashes) => (slashes ? text.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(text));

  function queryOf(parameter, text) {
    const pair = (name, value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
    if (text === "") return [];
    const schema = resolve(parameter.schema);
    if (schema.type === "array") return text.split("\n").filter(line => line !== "").map(line => pair(parameter.name, line));
    if (parameter.style === "deepObject") {
      return Object.entries(JSON.parse(text)).map(([key, value]) => pair(`${parameter.name}[${key}]`, value));
    }
    return [pair(parameter.name, text)];
  }

  const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;

  // The form that tries an operation.
  function tryForm(path, method, operation) {
    const inputs = (operation.parameters || []).map(resolve).map(parameter => ({ parameter, input: parameterInput(parameter) }));
    const bodies = mediaOf(resolve(operation.requestBody).content);
    const answers = mediaOf(resolve((operation.responses || {})["200"]).content).map(([type]) => type);
    const type = bodies.length ? make("input", { type: "text", value: bodies[0][0] === "*/*" ? "application/octet-stream" : bodies[0][0] }) : null;
    const body = bodies.length ? make("textarea", { rows: 8, spellcheck: false }) : null;
    if (body) {
      const [name, media] = bodies[0];
      const item = itemOf(media);
      if (item) body.value = JSON.stringify(example(item)) + "\n";
      else if (name !== "*/*") body.value = JSON.stringify(example(media.schema), null, 2);
    }
    const accept = answers.length > 1 ? make("select", null, answers.map(value => make("option", { value }, value))) : null;
    const headers = make("textarea", { rows: 1, spellcheck: false, placeholder: "authorization: Bearer …" });
    const curl = make("pre", { tabIndex: 0 });
    const status = make("p", { role: "status" });
    const output = make("div", null);
    const send = make("button", { type: "submit", class: "main" }, "Send");
    const stop = make("button", { type: "button", disabled: true }, "Stop");
    const copy = make("button", { type: "button" }, "Copy");
    let running = null;

    // Fails with a sentence if what was given makes no request.
    function request() {
      let url = path;
      const query = [];
      const head = [];
      for (const { parameter, input } of inputs) {
        const text = input.value;
        if (parameter.required && text === "") throw new Error(`${parameter.name} is missing`);
        if (parameter.in === "path") url = url.split(`{${parameter.name}}`).join(encodePath(text, parameter["x-hostel-slashes"]));
        else if (parameter.in === "query") query.push(...queryOf(parameter, text));
        else if (parameter.in === "header" && text !== "") head.push([parameter.name, text]);
      }
      const base = ((api.servers || [])[0] || {}).url || "/";
      const target = new URL(base.replace(/\/$/, "") + url + (query.length ? "?" + query.join("&") : ""), location.href);
      if (target.origin !== location.origin) throw new Error(`${target.origin} is another origin than that of this page`);
      if (type) head.push(["content-type", type.value]);
      if (accept) head.push(["accept", accept.value]);
      for (const line of headers.value.split("\n").filter(line => line.trim() !== "")) {
        const colon = line.indexOf(":");
        if (colon < 1) throw new Error("a header is a name, a colon and a value");
        head.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
      }
      return { target, method: method.toUpperCase(), head, body: body ? body.value : undefined };
    }

    function showCurl() {
      try {
        const { target, method, head, body } = request();
        const parts = ["curl", "-N", "-X", method, quoted(target.href), ...head.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`)];
        if (body !== undefined) parts.push(`--data-binary ${quoted(body)}`);
        curl.textContent = parts.join(" ");
      } catch (error) {
        curl.textContent = error.message;
      }
    }

    async function show(response, started) {
      const seconds = () => ((performance.now() - started) / 1000).toFixed(2);
      const say = more => {
        status.className = response.ok ? "good" : "bad";
        status.textContent = `${response.status} ${response.statusText} ${more} ${seconds()} s`;
      };
      say("after");
      const shown = make("pre", { tabIndex: 0 });
      const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      output.replaceChildren(lazy(null, ["Headers"], () => make("pre", null, lines)), make("h3", null, "Body"), shown);
      const media = response.headers.get("content-type") || "";
      const text = shown.appendChild(document.createTextNode(""));
      const decoder = new TextDecoder();
      let cut = false;
      if (response.body) {
        for (const reader = response.body.getReader(); ;) {
          const { done, value } = await reader.read();
          if (done) break;
          const room = SHOWN_MAX - text.length;
          text.appendData(decoder.decode(value, { stream: true }).slice(0, room));
          if (text.length >= SHOWN_MAX) {
            cut = true;
            await reader.cancel();
            break;
          }
        }
      }
      if (/\bjson$|\+json|\/json/.test(media.split(";")[0]) && !cut) {
        try {
          text.data = JSON.stringify(JSON.parse(text.data), null, 2);
        } catch { /* shown as it came */ }
      }
      say(cut ? "and more than is shown, after" : "after");
    }

    async function submit(event) {
      event.preventDefault();
      if (running) return;
      running = new AbortController();
      send.disabled = true;
      stop.disabled = false;
      output.replaceChildren();
      status.className = "faint";
      status.textContent = "Waiting for the answer.";
      const started = performance.now();
      try {
        const { target, method, head, body } = request();
        const response = await fetch(target, { method, headers: head, body, signal: running.signal, credentials: "same-origin", cache: "no-store" });
        await show(response, started);
      } catch (error) {
        status.className = "bad";
        status.textContent = error.name === "AbortError" ? "Stopped." : error.message;
      } finally {
        running = null;
        send.disabled = false;
        stop.disabled = true;
      }
    }

    stop.addEventListener("click", () => running && running.abort());
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(curl.textContent);
        copy.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(curl);
        copy.textContent = "Selected";
      }
      setTimeout(() => { copy.textContent = "Copy"; }, 2000);
    });
    const form = make("form", { onsubmit: submit, oninput: showCurl },
      inputs.map(({ parameter, input }) => field(
        [make("span", { class: "name" }, parameter.name), parameter.required ? badge("required") : null, parameter.deprecated ? badge("deprecated") : null],
        input,
        [make("div", { class: "faint" }, `${parameter.in}, ${kind(parameter.schema || Object.values(parameter.content || {})[0]?.schema)}`), prose(parameter.description, "div")])),
      type ? field("Type of the body", type) : null,
      body ? field("Body", body) : null,
      accept ? field("Answer as", accept) : null,
      field("Headers", headers),
      make("p", { class: "row" }, send, stop),
      make("h3", null, "The same with curl ", copy), curl, status, output);
    showCurl();
    return form;
  }

  function contents(title, content) {
    return mediaOf(content).map(([type, media]) => make("div", null,
      make("h3", null, `${title} `, make("code", null, type)),
      itemOf(media) ? [prose(media.schema.description), schemaView(itemOf(media))] : schemaView(media.schema)));
  }

  function operationBody(path, method, operation) {
    const responses = Object.entries(operation.responses || {}).map(([code, value]) => [code, resolve(value)]);
    return [
      prose(operation.description || operation.summary),
      make("p", { class: "faint" }, [operation["x-hostel-service"], operation["x-hostel-method"]].filter(Boolean).join(", "), " ",
        make("a", { href: "#" + encodeURIComponent(operation.operationId) }, "link")),
      contents("Body", resolve(operation.requestBody).content),
      responses.map(([code, response]) => contents(code === "default" ? "Errors" : `Answer ${code}`, response.content)),
      make("h3", null, "Try it"),
      tryForm(path, method, operation),
    ];
  }

  function operationView({ path, method, operation }) {
    return lazy({ class: operation.deprecated ? "operation deprecated" : "operation" }, [
      make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", { class: "path" }, path),
      operation.summary ? make("span", { class: "faint" }, " " + operation.summary) : null,
      operation.deprecated ? badge("deprecated") : null,
    ], () => operationBody(path, method, operation));
  }

  // Operations by their first tag, and then the schemas, each with the text that filters look in.
  function index() {
    const found = new Map();
    const group = name => {
      const described = (api.tags || []).find(tag => tag.name === name);
      if (!found.has(name)) found.set(name, { name, description: described && described.description, items: [] });
      return found.get(name);
    };
    for (const [path, item] of Object.entries(api.paths || {})) {
      for (const method of METHODS.filter(method => item[method])) {
        const operation = item[method];
        const text = [method, path, operation.operationId, operation.summary, operation["x-hostel-service"]].join(" ").toLowerCase();
        group((operation.tags || [])[0] || "").items.push({ text, id: operation.operationId, view: () => operationView({ path, method, operation }) });
      }
    }
    const schemas = Object.entries((api.components || {}).schemas || {}).map(([name, schema]) => ({
      text: name.toLowerCase(), view: () => lazy(null, [make("span", { class: "name" }, name)], () => schemaBody(schema)),
    }));
    return [...found.values(), { name: "Schemas", items: schemas, quiet: true }].filter(group => group.items.length);
  }

  function draw() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matching = groups.map(group => ({ ...group, items: group.items.filter(item => words.every(word => item.text.includes(word))) }));
    const shown = matching.filter(group => group.items.length);
    const operations = shown.filter(group => !group.quiet).reduce((sum, group) => sum + group.items.length, 0);
    count.textContent = `${operations} ${operations === 1 ? "operation" : "operations"}`;
    main.replaceChildren(prose(api.info && api.info.description) || "", ...shown.map(group => {
      const view = lazy({ class: "tag" }, [group.name || "Operations", make("span", { class: "faint" }, ` ${group.items.length}`)],
        () => [prose(group.description), group.items.map(item => (item.element = item.view()))]);
      const few = words.length ? operations <= OPEN_MAX : groups.length <= 2;
      if (few && !group.quiet) {
        view.fill();
        view.open = true;
      }
      return view;
    }), leftOut());
  }

  function leftOut() {
    const all = api["x-hostel-left-out"] || [];
    if (!all.length) return "";
    return lazy({ class: "tag" }, [`Left out ${all.length}`], () => all.map(entry =>
      make("p", null, make("code", null, entry.http || entry.method || entry.service || ""), " ", entry.reason || "")));
  }

  // Opens the operation that the address names.
  function follow() {
    let id = "";
    try {
      id = decodeURIComponent(location.hash.slice(1));
    } catch { /* no name of ours */ }
    const item = id && groups.flatMap(group => group.items).find(item => item.id === id);
    if (!item) return;
    filter.value = id;
    draw();
    if (item.element) {
      item.element.fill();
      item.element.open = true;
      item.element.querySelector("summary").focus();
    }
  }

  async function start() {
    const url = document.querySelector("meta[name=hostel-document]").content;
    document.getElementById("raw").href = url;
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
      api = await response.json();
    } catch (error) {
      main.replaceChildren(make("p", { class: "bad", role: "alert" }, `The document cannot be loaded: ${error.message}`));
      return;
    }
    const title = `${api.info?.title || "API"} ${api.info?.version || ""}`.trim();
    document.title = title;
    document.getElementById("title").textContent = title;
    groups = index();
    draw();
    follow();
    let waiting = 0;
    filter.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(draw, 120);
    });
    addEventListener("hashchange", follow);
    addEventListener("keydown", event => {
      const typing = /^(input|textarea|select)$/i.test(event.target.tagName);
      if (event.key === "/" && !typing) {
        event.preventDefault();
        filter.focus();
      } else if (event.key === "Escape" && event.target === filter) {
        filter.value = "";
        draw();
      }
    });
  }

  start();
})();
