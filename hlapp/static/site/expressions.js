// Reads the expressions of Alpine's `x-` attributes without `eval`, so that the content security policy needs no 'unsafe-eval'.
//
// Alpine makes a function from the text of each attribute. Here the text is parsed and walked instead. What it may say is
// what the theme's templates say: literals, names, members, calls, operators, assignments, `if`, and functions of one
// expression. Of the page's names it sees those in GLOBALS only, and it reaches no constructor and no window: an
// attacker who writes an attribute into a page still runs no code of their own.
(() => {
  "use strict";

  const place = {
    get pathname() { return location.pathname; },
    get search() { return location.search; },
    get hash() { return location.hash; },
    set href(address) {
      const url = new URL(address, location.href);
      if (url.protocol === "http:" || url.protocol === "https:") location.assign(url);
    },
  };
  const GLOBALS = { localStorage: () => window.localStorage, window: () => Object.freeze({ location: place }) };
  const FUNCTIONS = new Set([
    "getCurrentTab", "moveRecords", "searchCommand", "searchDropdown", "searchForm", "sortRecords", "theme",
  ]);
  const FORBIDDEN = new Set([
    "constructor", "prototype", "__proto__", "__defineGetter__", "__defineSetter__", "defaultView", "ownerDocument",
    "contentWindow", "view", "innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc", "call", "apply", "bind",
  ]);
  const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_$][\w$]*)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(=>|===|!==|==|!=|<=|>=|&&|\|\||\+\+|--|\+=|-=|[-+*/%<>!=?:;,.(){}[\]]))/y;
  const LEVELS = [["||"], ["&&"], ["===", "!==", "==", "!="], ["<", ">", "<=", ">="], ["+", "-"], ["*", "/", "%"]];
  const BINARY = {
    "===": (a, b) => a === b, "!==": (a, b) => a !== b,
    "==": (a, b) => a == b, "!=": (a, b) => a != b,
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
    "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "%": (a, b) => a % b,
  };
  const WORDS = { true: true, false: false, null: null, undefined: undefined };

  function tokens(text) {
    const found = [];
    TOKEN.lastIndex = 0;
    while (text.slice(TOKEN.lastIndex).trim()) {
      const from = TOKEN.lastIndex;
      const match = TOKEN.exec(text);
      if (!match) throw new SyntaxError(`unknown text at ${from}`);
      const [, number, name, single, double, sign] = match;
      const string = single ?? double;
      if (number !== undefined) found.push({ kind: "number", value: Number(number) });
      else if (name !== undefined) found.push({ kind: "name", value: name });
      else if (string !== undefined) found.push({ kind: "string", value: string.replace(/\\(.)/g, "$1") });
      else found.push({ kind: "sign", value: sign });
    }
    return found;
  }

  // --- parsing: each method returns a function of the scope ---

  class Parser {
    constructor(text) {
      this.tokens = tokens(text);
      this.at = 0;
    }

    is(value, ahead = 0) {
      const token = this.tokens[this.at + ahead];
      return token !== undefined && token.kind !== "string" && token.value === value;
    }

    take(value) {
      if (!this.is(value)) return false;
      this.at += 1;
      return true;
    }

    expect(value) {
      if (!this.take(value)) throw new SyntaxError(`${value} is missing`);
    }

    name() {
      const token = this.tokens[this.at];
      if (token?.kind !== "name") throw new SyntaxError("a name is missing");
      this.at += 1;
      return token.value;
    }

    program(end) {
      const steps = [];
      while (this.at < this.tokens.length && !(end && this.is(end))) {
        if (!this.take(";")) steps.push(this.statement());
      }
      return (scope) => steps.reduce((_, step) => step(scope), undefined);
    }

    statement() {
      if (this.take("{")) {
        const inside = this.program("}");
        this.expect("}");
        return inside;
      }
      if (!this.take("if")) return this.expression();
      this.expect("(");
      const condition = this.expression();
      this.expect(")");
      const then = this.statement();
      this.take(";");
      const otherwise = this.take("else") ? this.statement() : () => undefined;
      return (scope) => (condition(scope) ? then(scope) : otherwise(scope));
    }

    expression() {
      const parameters = this.parameters();
      if (parameters) return this.arrow(parameters);
      const left = this.choice();
      for (const sign of ["=", "+=", "-="]) {
        if (this.take(sign)) {
          if (!left.set) throw new SyntaxError("nothing to assign to");
          const right = this.expression();
          if (sign === "=") return (scope) => left.set(scope, right(scope));
          return (scope) => left.set(scope, BINARY[sign[0]](left(scope), right(scope)));
        }
      }
      return left;
    }

    parameters() {
      if (this.tokens[this.at]?.kind === "name" && this.is("=>", 1)) {
        const only = [this.name()];
        this.expect("=>");
        return only;
      }
      let end = this.at + 1;
      if (!this.is("(")) return null;
      while (this.tokens[end]?.kind === "name" || (this.tokens[end]?.value === "," && this.tokens[end].kind === "sign")) end += 1;
      if (!this.is(")", end - this.at) || !this.is("=>", end + 1 - this.at)) return null;
      const names = this.tokens.slice(this.at + 1, end).filter(({ kind }) => kind === "name").map(({ value }) => value);
      this.at = end + 2;
      return names;
    }

    arrow(names) {
      const body = this.is("{") ? this.statement() : this.expression();
      return (scope) => (...values) => body(Alpine.mergeProxies([Object.fromEntries(names.map((name, i) => [name, values[i]])), scope]));
    }

    choice() {
      const condition = this.binary(0);
      if (!this.take("?")) return condition;
      const then = this.expression();
      this.expect(":");
      const otherwise = this.expression();
      return (scope) => (condition(scope) ? then(scope) : otherwise(scope));
    }

    binary(level) {
      if (level === LEVELS.length) return this.unary();
      let left = this.binary(level + 1);
      for (;;) {
        const sign = LEVELS[level].find((one) => this.is(one));
        if (!sign) return left;
        this.at += 1;
        const [first, second] = [left, this.binary(level + 1)];
        if (sign === "||") left = (scope) => first(scope) || second(scope);
        else if (sign === "&&") left = (scope) => first(scope) && second(scope);
        else left = (scope) => BINARY[sign](first(scope), second(scope));
      }
    }

    unary() {
      if (this.take("!")) {
        const inside = this.unary();
        return (scope) => !inside(scope);
      }
      if (this.take("-")) {
        const inside = this.unary();
        return (scope) => -inside(scope);
      }
      return this.member(this.primary());
    }

    member(first) {
      let found = first;
      for (;;) {
        const object = found;
        if (this.take(".")) {
          const key = this.name();
          found = of(object, () => key);
        } else if (this.take("[")) {
          const key = this.expression();
          this.expect("]");
          found = of(object, key);
        } else if (this.take("(")) {
          const values = this.list(")");
          found = (scope) => {
            const [self, called] = object.pair ? object.pair(scope) : [scope, object(scope)];
            return checked(called.apply(self, values.map((one) => one(scope))));
          };
        } else {
          return found;
        }
      }
    }

    primary() {
      const token = this.tokens[this.at];
      if (token === undefined) throw new SyntaxError("it ends too early");
      this.at += 1;
      if (token.kind === "number" || token.kind === "string") return () => token.value;
      if (token.kind === "name") {
        if (Object.hasOwn(WORDS, token.value)) return () => WORDS[token.value];
        return variable(token.value);
      }
      if (token.value === "(") {
        const inside = this.expression();
        this.expect(")");
        return inside;
      }
      if (token.value === "[") {
        const items = this.list("]");
        return (scope) => items.map((one) => one(scope));
      }
      if (token.value === "{") return this.object();
      throw new SyntaxError(`${token.value} is not expected`);
    }

    object() {
      const entries = [];
      while (!this.take("}")) {
        const token = this.tokens[this.at];
        if (token === undefined || token.kind === "sign") throw new SyntaxError("a key is missing");
        this.at += 1;
        entries.push([token.value, this.take(":") ? this.expression() : variable(token.value)]);
        if (!this.is("}")) this.expect(",");
      }
      return (scope) => Object.fromEntries(entries.map(([key, value]) => [key, value(scope)]));
    }

    list(end) {
      const items = [];
      while (!this.take(end)) {
        items.push(this.expression());
        if (!this.is(end)) this.expect(",");
      }
      return items;
    }
  }

  function variable(name) {
    const found = (scope) => {
      if (name in scope) return checked(scope[name]);
      if (Object.hasOwn(GLOBALS, name)) return GLOBALS[name]();
      if (FUNCTIONS.has(name) && typeof window[name] === "function") return window[name];
      throw new ReferenceError(`${name} is not known here`);
    };
    found.set = (scope, value) => (scope[name] = value);
    return found;
  }

  function of(object, key) {
    const pair = (scope) => {
      const [self, name] = [object(scope), String(key(scope))];
      if (FORBIDDEN.has(name)) throw new TypeError(`${name} is not for expressions`);
      return [self, checked(self[name])];
    };
    const found = (scope) => pair(scope)[1];
    found.pair = pair;
    found.set = (scope, value) => {
      const name = String(key(scope));
      if (FORBIDDEN.has(name)) throw new TypeError(`${name} is not for expressions`);
      return (object(scope)[name] = value);
    };
    return found;
  }

  function checked(value) {
    if (value === window || value === document || value === Function || value === eval) throw new TypeError("not for expressions");
    return value;
  }

  // --- as Alpine calls it ---

  const known = new Map();

  function parsed(text) {
    if (!known.has(text)) {
      const parser = new Parser(text);
      known.set(text, /^\s*(?:if\b|[^{]*;)/.test(text) ? parser.program() : whole(parser));
    }
    return known.get(text);
  }

  function whole(parser) {
    if (!parser.tokens.length) return () => undefined;
    const found = parser.expression();
    parser.take(";");
    if (parser.at < parser.tokens.length) throw new SyntaxError("something follows");
    return found;
  }

  function evaluator(el, expression) {
    const stack = [{ $el: el }, ...Alpine.closestDataStack(el)];
    return (receiver = () => {}, { scope = {}, params = [] } = {}) => {
      const all = Alpine.mergeProxies([scope, ...stack]);
      try {
        const value = typeof expression === "function" ? expression.apply(all, params) : parsed(expression)(all);
        give(receiver, value, all, params);
      } catch (error) {
        console.error(`${error.message}, in the expression: ${expression}`, el);
      }
    };
  }

  function give(receiver, value, scope, params) {
    const result = typeof value === "function" ? value.apply(scope, params) : value;
    if (result instanceof Promise) result.then(receiver);
    else receiver(result);
  }

  document.addEventListener("alpine:init", () => Alpine.setEvaluator(evaluator));
  // Nor does htmx evaluate anything, or write a sheet into the page.
  if (window.htmx) Object.assign(window.htmx.config, { includeIndicatorStyles: false, allowEval: false });
})();
