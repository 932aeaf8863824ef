// <donate-box>: a giving form for a newspaper's own pages. See the README for its attributes, parts and events.
//
// It keeps nothing: no cookie, no storage. It asks nobody but the server it came from: once for the campaign, once per
// gift. Everything it shows is put in as text, never as markup.
(() => {
"use strict";

const CSS = "donate.css";
const FREQUENCIES = ["once", "monthly", "annual"];
const home = new URL(document.currentScript ? document.currentScript.src : location.href).origin;
const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

// What it must be able to say when nothing else can be reached.
const ALONE = {
  en: { offline: "You seem to be offline. Your choice is kept: try again once you are connected.", failed: "That did not work. Nothing was charged, and your choice is kept.", again: "Try again", loading: "Loading the form…" },
  ru: { offline: "Похоже, нет связи с интернетом. Ваш выбор сохранён: попробуйте снова, когда связь появится.", failed: "Не получилось. Деньги не списаны, ваш выбор сохранён.", again: "Попробовать снова", loading: "Форма загружается…" },
};

// What a link may say, read once: the address is cleaned of it when the box has come back from the payment page.
const query = new URLSearchParams(location.search);
const returned = { pledge: query.get("pledge"), state: query.get("pledge_state") };

// Boxes of one page that show the same campaign share one request.
const campaigns = new Map();
function campaign(slug, lang) {
  const path = "/v1/campaigns/" + encodeURIComponent(slug) + "?lang=" + lang;
  if (!campaigns.has(path)) {
    const asked = ask(path);
    campaigns.set(path, asked);
    asked.catch(() => campaigns.delete(path));
  }
  return campaigns.get(path);
}

class Refused extends Error {
  constructor(answer, body) {
    super("HTTP " + answer.status);
    this.status = answer.status;
    this.after = Number(answer.headers.get("retry-after")) || 60;
    this.errors = (body && body.errors) || [];
  }
}

async function ask(path, sent, key) {
  const options = { credentials: "omit", referrerPolicy: "no-referrer", cache: sent ? "no-store" : "default" };
  if (sent) {
    options.method = "POST";
    options.body = JSON.stringify(sent);
    options.headers = { "content-type": "application/json" };
    if (key) options.headers["idempotency-key"] = key;
  }
  const answer = await fetch(home + path, options);
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer, body);
  return body;
}

// An element with its attributes and what is in it. Texts stay texts.
function el(name, attributes, ...inside) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes || {})) {
    if (attribute.startsWith("on")) element.addEventListener(attribute.slice(2), value);
    else if (value === true) element.setAttribute(attribute, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(attribute, value);
  }
  element.append(...inside.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

const warned = new Set();
function ignored(name, value) {
  const said = name + "=" + JSON.stringify(String(value).slice(0, 40));
  if (!warned.has(said)) console.warn("donate-box: ignored " + said);
  warned.add(said);
}

const httpUrl = (text) => {
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
};

class DonateBox extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
    this.root = el("div", { class: "donate", part: "box" });
    this.live = el("p", { role: "status", part: "status", class: "note" });
    this.shadowRoot.append(this.root, this.live);
    this.choice = null;
  }

  connectedCallback() {
    if (this.started) return;
    this.started = true;
    const near = this.getAttribute("lang") || (this.closest("[lang]") || {}).lang || document.documentElement.lang || navigator.language || "";
    this.lang2 = /^ru\b/i.test(near) ? "ru" : /^en\b/i.test(near) || this.hasAttribute("lang") ? "en" : /^ru\b/i.test(navigator.language) ? "ru" : "en";
    this.slug = this.read("campaign", "d_campaign", (text) => /^[a-z0-9-]{1,64}$/.test(text) && text) || "default";
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", () => this.dim());
    addEventListener("online", () => this.state === "offline" && (this.c ? this.idle() : this.load()));
    // Back from the payment page by the browser's own button: the form is as it was left.
    addEventListener("pageshow", (event) => event.persisted && this.c && this.busy && this.idle());
    this.load();
  }

  // An attribute, or what a link says in its place; what is not understood is ignored, and named once.
  read(name, link, valid) {
    for (const [label, text] of [[link, link && query.get(link)], [name, this.getAttribute(name)]]) {
      if (!text) continue;
      const value = valid(text);
      if (value !== false && value !== null) return value;
      ignored(label, text);
    }
    return null;
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent("donate:" + name, { bubbles: true, composed: true, detail: { campaign: this.slug, ...detail } }));
  }

  // The colours of the page decide, not those of the machine: a page may have no dark side.
  dim() {
    const [red, green, blue] = (getComputedStyle(this).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
    this.root.classList.toggle("dim", 0.299 * red + 0.587 * green + 0.114 * blue > 140);
  }

  set(state, ...content) {
    this.state = state;
    this.setAttribute("data-state", state);
    this.root.replaceChildren(...content.flat().filter(Boolean));
    this.dim();
  }

  say(text) {
    this.live.textContent = text || "";
  }

  t(id, values) {
    let text = this.c.texts[id];
    if (text && typeof text === "object") {
      text = text[new Intl.PluralRules(this.c.language).select((values || {}).n)] || text.other || text.many;
    }
    return String(text === undefined ? id : text).replace(/\{(\w+)\}/g, (whole, name) => (values && name in values ? values[name] : whole));
  }

  money(minor, code) {
    const currency = this.c.currencies.find((one) => one.currency === code);
    const unit = 10 ** currency.exponent;
    const digits = minor % unit === 0 ? 0 : currency.exponent;
    return new Intl.NumberFormat(this.c.language, { style: "currency", currency: code, currencyDisplay: "narrowSymbol", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(minor / unit);
  }

  async load() {
    const alone = ALONE[this.lang2];
    // Until the form is there, the page's own one is, and can be used.
    this.set("loading", el("slot"));
    this.say(this.children.length ? "" : alone.loading);
    try {
      this.c = await campaign(this.slug, this.lang2);
    } catch (error) {
      const offline = !(error instanceof Refused) && !navigator.onLine;
      this.set(offline ? "offline" : "error", el("slot"), el("p", { class: "wrong", part: "error" }, offline ? alone.offline : alone.failed), el("button", { type: "button", part: "retry", onclick: () => this.load() }, el("span", {}, alone.again)));
      this.say(offline ? alone.offline : alone.failed);
      this.tell("error", { kind: offline ? "offline" : "unavailable" });
      return;
    }
    this.say("");
    if (this.c.accent && !getComputedStyle(this).getPropertyValue("--donate-accent")) {
      this.root.style.setProperty("--donate-accent", this.c.accent);
      this.root.style.setProperty("--donate-on-accent", this.c.accent_ink);
    }
    this.root.lang = this.c.language;
    this.begin();
    this.tell("ready");
    if (/^plg_[0-9a-f]{32}$/.test(returned.pledge || "") && !DonateBox.back) {
      DonateBox.back = this;
      this.back();
    }
  }

  // What is chosen at first: by the link, by the attributes, by the campaign.
  begin() {
    const codes = this.c.currencies.map((one) => one.currency);
    const currency = this.read("currency", null, (text) => codes.includes(text.toUpperCase()) && text.toUpperCase()) || this.c.default_currency;
    const offered = this.offers(currency);
    const wished = this.read("frequency", "d_freq", (text) => FREQUENCIES.includes(text) && text) || this.c.default_frequency;
    const frequency = offered[wished] ? wished : FREQUENCIES.find((one) => offered[one]);
    this.choice = { currency, frequency, minor: null, typed: "", cover: false };
    const minor = this.read("amount", "d_amount", (text) => this.parse(text));
    if (minor !== null && this.suggested().includes(minor)) this.choice.minor = minor;
    else if (minor !== null) this.choice.typed = this.digits(minor);
    else this.choice.minor = this.middle();
    if (this.hasAttribute("theme") && !["light", "dark", "auto"].includes(this.getAttribute("theme"))) ignored("theme", this.getAttribute("theme"));
    this.source = this.read("source", "d_ref", (text) => /^[\w\-.:/]{1,64}$/.test(text) && text);
    this.idle();
  }

  offers(code) {
    return this.c.currencies.find((one) => one.currency === code).frequencies;
  }

  offer() {
    return this.offers(this.choice.currency)[this.choice.frequency];
  }

  least() {
    const asked = this.getAttribute("min") ? this.read("min", null, (text) => this.parse(text)) : 0;
    return Math.min(Math.max(this.offer().min_minor, asked || 0), this.offer().max_minor);
  }

  suggested() {
    const own = this.read("amounts", null, (text) => {
      const all = text.split(",").map((one) => this.parse(one.trim()));
      return !all.includes(null) && all.length <= 8 && all;
    });
    const fits = (minor) => minor >= this.least() && minor <= this.offer().max_minor;
    const kept = (own || []).filter(fits);
    return kept.length ? kept : this.offer().suggested_minor.filter(fits);
  }

  middle() {
    const suggested = this.suggested();
    return suggested[Math.floor(suggested.length / 2)];
  }

  // Major units as people type them, to minor units; null where it is no amount.
  parse(text) {
    const { exponent } = this.c.currencies.find((one) => one.currency === this.choice.currency);
    const found = /^(\d{1,9})(?:[.,](\d*))?$/.exec(text.trim());
    if (!found) return null;
    const decimals = (found[2] || "").replace(/0+$/, "");
    return decimals.length > exponent ? null : Number(found[1] + decimals.padEnd(exponent, "0"));
  }

  digits(minor) {
    const { exponent } = this.c.currencies.find((one) => one.currency === this.choice.currency);
    const unit = 10 ** exponent;
    return minor % unit === 0 ? String(minor / unit) : (minor / unit).toFixed(exponent);
  }

  minor() {
    return this.choice.typed.trim() ? this.parse(this.choice.typed) : this.choice.minor;
  }

  // The least that leaves the amount whole after the fee; the server does the same sum.
  cover(minor) {
    const { fee, step_minor: step } = this.c.currencies.find((one) => one.currency === this.choice.currency);
    const left = 10000 - fee.percent_hundredths;
    const total = Math.floor(((minor + fee.fixed_minor) * 10000 + left - 1) / left);
    return Math.ceil(total / step) * step - minor;
  }

  total(minor) {
    return minor + (this.choice.cover && this.c.currencies.find((one) => one.currency === this.choice.currency).fee ? this.cover(minor) : 0);
  }

  wrong() {
    const { currency } = this.choice;
    const { exponent, step_minor: step } = this.c.currencies.find((one) => one.currency === currency);
    const minor = this.minor();
    if (minor === null || minor === undefined) {
      return this.choice.typed.trim() ? this.t("error-malformed", { amount: this.money(25 * 10 ** exponent, currency) }) : this.t("error-required");
    }
    if (minor < this.least()) return this.t("error-too-small", { amount: this.money(this.least(), currency) });
    if (minor > this.offer().max_minor) return this.t("error-too-large", { amount: this.money(this.offer().max_minor, currency) });
    if (minor % step) return this.t("error-too-fine", { amount: this.money(step, currency) });
    return null;
  }

  // The form, with what is chosen in it.
  idle(problem) {
    this.busy = false;
    if (this.c.season !== "open") {
      const id = this.c.season === "ended" ? "ended" : "upcoming";
      return this.set(id, this.title(this.t(id + "-title")), el("p", { part: "message" }, this.t(id + "-lead")));
    }
    const { c, choice } = this;
    const radios = (name, values, now, label) => values.map((value) => el("label", { class: "pick", part: name }, el("input", { type: "radio", name, value, checked: value === now }), el("span", {}, label(value))));
    this.amounts = el("fieldset", { class: "row", part: "amounts" });
    this.other = el("input", { id: "other", name: "other", inputmode: "decimal", autocomplete: "off", maxlength: 16, part: "other", "aria-describedby": "minimum" });
    this.other.value = choice.typed;
    this.note = el("p", { class: "note", id: "minimum", part: "note" });
    this.fee = el("span");
    this.cost = el("label", { class: "check", part: "cover" }, el("input", { type: "checkbox", name: "cover", checked: choice.cover }), this.fee);
    this.label = el("span");
    this.button = el("button", { type: "submit", part: "submit" }, this.label);
    this.trouble = el("div", { class: "errors", part: "errors", tabindex: -1, hidden: true });
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    mark.setAttribute("viewBox", "0 0 26 18");
    mark.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M2 0h22a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H2a2 2 0 0 1-2-2V2a2 2 0 0 1 2-2zm0 4v3h22V4zm2 8v2h6v-2z");
    path.setAttribute("fill", "currentColor");
    path.setAttribute("fill-rule", "evenodd");
    mark.append(path);
    const policy = httpUrl(c.policy_url || "");
    this.form = el("form", { part: "form", novalidate: true, onsubmit: (event) => this.submit(event), oninput: (event) => this.changed(event) },
      el("slot", { name: "warning" }),
      c.warning && el("p", { class: "warning", part: "warning" }, c.warning),
      el("h2", { part: "heading" }, c.name),
      el("p", { part: "lead" }, c.lead),
      this.trouble,
      el("fieldset", { class: "row", part: "frequencies" }, el("legend", {}, this.t("how-often")), radios("frequency", FREQUENCIES.filter((one) => this.offers(choice.currency)[one]), choice.frequency, (one) => this.t(one))),
      this.amounts,
      el("div", { class: "fields" },
        el("p", { class: "field" }, el("label", { for: "other" }, this.t("other-amount")), this.other),
        c.currencies.length > 1 && el("p", { class: "field" }, el("label", { for: "currency" }, this.t("currency")), el("select", { id: "currency", name: "currency", part: "currency" }, c.currencies.map((one) => el("option", { selected: one.currency === choice.currency }, one.currency))))),
      this.note,
      this.cost,
      this.button,
      c.statement && el("p", { class: "note", part: "statement" }, this.t("statement", { statement: c.statement })),
      el("ul", { class: "marks", part: "methods", "aria-label": this.t("methods") }, c.methods.map((method, n) => el("li", {}, n === 0 && mark, method))),
      el("p", { class: "note", part: "provider" }, this.t("provider") + " ", policy && el("a", { href: policy, rel: "noreferrer" }, this.t("policy"))));
    this.set("idle", this.form, this.reminderOpener(), this.newsletter());
    this.refill();
    if (problem) this.complain([[problem]]);
  }

  // Amounts follow frequency and currency; the button says what will be paid.
  refill() {
    const { choice } = this;
    const code = choice.currency;
    this.amounts.replaceChildren(el("legend", {}, this.t("how-much")), ...this.suggested().map((minor) => el("label", { class: "pick", part: "amount" }, el("input", { type: "radio", name: "amount", value: minor, checked: !choice.typed.trim() && minor === choice.minor }), el("span", {}, this.money(minor, code)))));
    this.note.textContent = this.t("minimum-" + choice.frequency, { amount: this.money(this.least(), code) });
    this.relabel();
  }

  relabel() {
    const { choice } = this;
    const minor = this.wrong() ? null : this.minor();
    const { fee } = this.c.currencies.find((one) => one.currency === choice.currency);
    this.cost.hidden = !fee || minor === null;
    if (fee && minor !== null) {
      const cover = this.cover(minor);
      this.fee.textContent = this.t("cover-fee", { cover: this.money(cover, choice.currency), total: this.money(minor + cover, choice.currency) });
    }
    this.label.textContent = minor === null ? this.t("continue") : this.t("continue-" + choice.frequency, { amount: this.money(this.total(minor), choice.currency) });
    this.setAttribute("data-other", choice.typed.trim() ? "true" : "false");
  }

  changed(event) {
    if (this.busy) return;
    const { name, value, checked } = event.target;
    const { choice } = this;
    if (name === "frequency" || name === "currency") {
      choice[name] = value;
      if (name === "currency" && !this.offer()) choice.frequency = FREQUENCIES.find((one) => this.offers(value)[one]);
      choice.minor = this.middle();
      if (name === "currency") choice.typed = this.other.value = "";
      const frequency = this.form.querySelector("[name=frequency][value=" + choice.frequency + "]");
      if (frequency) frequency.checked = true;
      this.refill();
    } else if (name === "amount") {
      choice.minor = Number(value);
      choice.typed = this.other.value = "";
      this.relabel();
    } else if (name === "other") {
      choice.typed = value;
      for (const radio of this.amounts.querySelectorAll("input")) radio.checked = !value.trim() && Number(radio.value) === choice.minor;
      this.relabel();
    } else if (name === "cover") {
      choice.cover = checked;
      this.relabel();
    }
    if (!this.trouble.hidden && !this.wrong()) this.complain([]);
    this.tell("change", this.detail());
  }

  detail() {
    return { frequency: this.choice.frequency, currency: this.choice.currency, amount_minor: this.minor() };
  }

  // Mistakes: summed up where the focus goes, and told at their field. Each is a text and the field it is in.
  complain(mistakes, again) {
    this.trouble.hidden = !mistakes.length;
    this.trouble.replaceChildren();
    const at = mistakes.some(([, field]) => field === "other");
    this.other.setAttribute("aria-invalid", String(at));
    this.other.setAttribute("aria-describedby", at ? "wrong minimum" : "minimum");
    const old = this.form.querySelector("#wrong");
    if (old) old.remove();
    if (!mistakes.length) return;
    if (at) this.other.after(el("span", { class: "wrong", id: "wrong", part: "error" }, mistakes.find(([, field]) => field === "other")[0]));
    const item = ([text, field]) => el("li", {}, field ? el("a", { href: "#" + field, onclick: (event) => { event.preventDefault(); this.form.querySelector("#" + field).focus(); } }, text) : text);
    this.trouble.append(el("h2", {}, this.t("check-gift")), el("ul", { role: "list" }, mistakes.map(item)));
    if (again) this.trouble.append(el("button", { type: "submit", part: "retry" }, el("span", {}, this.t("try-again"))));
    this.trouble.focus();
  }

  async submit(event) {
    event.preventDefault();
    if (this.busy) return;
    const wrong = this.wrong();
    if (wrong) return this.complain([[wrong, "other"]]);
    this.complain([]);
    this.hold("submitting");
    this.tell("submit", this.detail());
    const { choice } = this;
    const sent = { campaign: this.slug, frequency: choice.frequency, amount_minor: this.minor(), currency: choice.currency, locale: this.c.language, return_url: this.comeback() };
    const { fee } = this.c.currencies.find((one) => one.currency === choice.currency);
    if (choice.cover && fee) sent.cover_fee = true;
    if (this.source) sent.source = this.source;
    // The same choice again is the same pledge again, however often it is sent.
    const body = JSON.stringify(sent);
    if (this.sent !== body) [this.sent, this.key] = [body, key()];
    try {
      const made = await ask("/v1/pledges", sent, this.key);
      const url = httpUrl(made.checkout_url);
      if (!url) throw new Error("no checkout");
      this.hold("redirecting");
      location.assign(url);
    } catch (error) {
      this.failed(error);
    }
  }

  hold(state) {
    this.busy = true;
    this.state = state;
    this.setAttribute("data-state", state);
    this.button.setAttribute("aria-disabled", "true");
    this.label.textContent = this.t(state);
    this.say(this.t(state));
  }

  // The form comes back as it was, and says why.
  failed(error) {
    let [state, text] = ["error", ALONE[this.c.language].failed];
    const { status, errors } = error instanceof Refused ? error : {};
    if (status === 429) {
      const n = Math.ceil(error.after / 60);
      [state, text] = ["limited", this.t("rate-limited", { n })];
    } else if (status === 422) {
      const ended = errors.some((one) => one.field === "campaign");
      if (ended) {
        campaigns.clear();
        this.say("");
        return this.load();
      }
      text = this.t("error-other");
    } else if (status === 409) {
      // This pledge is over: the next try is a new one.
      this.sent = null;
    } else if (!status && !navigator.onLine) {
      [state, text] = ["offline", ALONE[this.c.language].offline];
    }
    this.idle();
    this.state = state;
    this.setAttribute("data-state", state);
    this.say("");
    this.complain([[text]], state !== "limited");
    this.tell("error", { kind: state === "error" && status === 422 ? "invalid" : state });
  }

  // Where the donor comes back to: the page they are on, without what links and we put into its address.
  comeback() {
    const own = this.getAttribute("return-url");
    const url = new URL(own || location.href, own ? document.baseURI : undefined);
    for (const name of ["pledge", "pledge_state", "d_freq", "d_amount", "d_campaign", "d_ref"]) url.searchParams.delete(name);
    if (own && url.origin === location.origin && url.origin === home) return url.pathname + url.search;
    url.hash = own ? url.hash : "";
    return url.href;
  }

  title(text) {
    return el("h2", { part: "heading", tabindex: -1 }, text);
  }

  // Back from the payment page.
  async back() {
    const clean = new URL(location.href);
    clean.searchParams.delete("pledge");
    clean.searchParams.delete("pledge_state");
    history.replaceState(history.state, "", clean);
    const again = () => el("button", { type: "button", part: "again", onclick: () => this.idle() }, el("span", {}, this.t("give-again")));
    if (returned.state === "cancelled") {
      this.outcome("cancelled", "cancelled", null, again());
      return this.tell("return", { outcome: "cancelled" });
    }
    const started = Date.now();
    let shown = null;
    while (this.isConnected && Date.now() - started < 600000) {
      const pledge = await ask("/v1/pledges/" + returned.pledge).catch((error) => (error instanceof Refused && error.status === 404 ? { status: "unknown" } : null));
      if (pledge && pledge.status !== shown) {
        shown = pledge.status;
        const known = { open: "waiting", processing: "processing", paid: "thanks", active: "thanks", unknown: null };
        const word = shown in known ? known[shown] : "refused";
        if (word === null) return this.idle();
        const given = pledge.total_minor === undefined || word === "refused" ? null : this.t("given-" + pledge.frequency, { amount: this.money(pledge.total_minor, pledge.currency) });
        this.outcome(word, word, given, word === "refused" && again());
        this.tell("return", { outcome: word });
        if (word === "thanks" || word === "refused") return;
      }
      await new Promise((done) => setTimeout(done, Date.now() - started < 20000 ? 700 : 5000));
    }
  }

  outcome(state, word, given, more) {
    const heading = this.title(this.t(word + "-title"));
    this.set(state, heading, given && el("p", { part: "given" }, given), el("p", { part: "message" }, word === "thanks" ? this.c.thanks : this.t(word + "-lead")), more);
    this.say(heading.textContent);
    heading.focus({ preventScroll: false });
  }
}

// Names a gift, so that a repeated one is not a second one.
function key() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

"later.js";

if (!customElements.get("donate-box")) customElements.define("donate-box", DonateBox);
})();
