// What is asked for later: reminders and the newsletter. It becomes part of donate.js, and stays out of sight where the
// campaign does not offer it.
Object.assign(DonateBox.prototype, {
  // "Remind me later", where the campaign takes it.
  reminderOpener() {
    if (!this.c.reminder || this.getAttribute("show-reminder") === "false") return null;
    return el("p", { class: "apart" }, el("button", { type: "button", class: "quiet", part: "reminder-open", onclick: () => this.reminder() }, this.t("reminder-open")));
  },

  reminder() {
    const { c } = this;
    const picks = [["next_month", "reminder-next-month"], ["on", "reminder-on"], ["next_payday", "reminder-payday"]];
    const tomorrow = shift(c.reminder.today, 1);
    const date = el("input", { id: "date", name: "date", type: "date", min: tomorrow, part: "date" });
    const day = el("input", { id: "day", name: "day", inputmode: "numeric", maxlength: 2, autocomplete: "off", part: "day" });
    const email = el("input", { id: "email", name: "email", type: "email", autocomplete: "email", maxlength: 254, part: "email" });
    const [dateField, dayField] = [[date, "reminder-date"], [day, "reminder-day"]].map(([input, id]) => el("p", { class: "field", hidden: true }, el("label", { for: input.id }, this.t(id)), input));
    const promise = el("p", { class: "note", part: "promise", "aria-live": "polite" });
    const chosen = () => form.querySelector("[name=in]:checked").value;
    const due = () => {
      if (chosen() === "next_month") return { due: { in: "next_month" }, on: month(c.reminder.today, 1) };
      if (chosen() === "on") return date.value >= tomorrow ? { due: { on: date.value }, on: date.value } : null;
      const payday = /^\d{1,2}$/.test(day.value.trim()) ? Number(day.value) : 0;
      return payday >= 1 && payday <= 31 ? { due: { in: "next_payday", payday }, on: next(c.reminder.today, payday) } : null;
    };
    const update = () => {
      dateField.hidden = chosen() !== "on";
      dayField.hidden = chosen() !== "next_payday";
      const found = due();
      promise.textContent = found ? this.t("reminder-promise", { date: this.date(found.on), n: c.reminder.mails }) : "";
    };
    const form = el("form", { part: "reminder", novalidate: true, oninput: update, onsubmit: (event) => {
      event.preventDefault();
      const found = due();
      const address = email.value.trim();
      const wrongs = [!found && (chosen() === "on" ? [this.t("date-wrong"), date] : [this.t("day-wrong"), day]), !/^\S+@\S+\.\S+$/.test(address) && [this.t("email-wrong"), email]].filter(Boolean);
      this.point(form, wrongs);
      if (wrongs.length) return;
      const sent = { email: address, due: found.due, frequency: this.choice.frequency, currency: this.choice.currency, campaign: this.slug, locale: c.language, component: this.source || undefined, consent: { text_version: c.reminder.text_version } };
      if (this.minor()) sent.amount_minor = this.minor();
      this.post(form, "/v1/reminders", sent, (answer) => {
        this.outcome("reminder-asked", "reminder-asked", null, null);
        this.root.querySelector("[part=message]").textContent = this.t("reminder-asked-lead", { date: this.date(answer.due_on) });
        this.tell("reminder-set", { due_on: answer.due_on });
      });
    } },
      this.title(this.t("reminder-ask")),
      el("fieldset", { class: "row" }, el("legend", {}, this.t("reminder-when")), picks.map(([value, id]) => el("label", { class: "pick" }, el("input", { type: "radio", name: "in", value, checked: value === "next_month" }), el("span", {}, this.t(id))))),
      dateField, dayField,
      el("p", { class: "field" }, el("label", { for: "email" }, this.t("email")), email),
      promise,
      el("button", { type: "submit", part: "submit" }, el("span", {}, this.t("reminder-ask"))),
      el("button", { type: "button", class: "quiet", part: "again", onclick: () => this.idle() }, this.t("give-again")));
    this.set("reminder", form);
    update();
    form.querySelector("h2").focus();
  },

  // The newsletter, where the campaign offers it. No box is ticked beforehand.
  newsletter() {
    const { c } = this;
    if (!c.newsletter || this.getAttribute("show-newsletter") === "false") return null;
    const email = el("input", { id: "news-email", name: "email", type: "email", autocomplete: "email", maxlength: 254, part: "email" });
    const agree = el("input", { id: "agree", type: "checkbox", name: "agree" });
    const [preview, policy] = [c.newsletter_preview_url, c.policy_url].map((url) => httpUrl(url || ""));
    const form = el("form", { class: "apart", part: "newsletter", novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      const address = email.value.trim();
      const wrongs = [!/^\S+@\S+\.\S+$/.test(address) && [this.t("email-wrong"), email], !agree.checked && [this.t("newsletter-agree-wrong"), agree]].filter(Boolean);
      this.point(form, wrongs);
      if (wrongs.length) return;
      this.post(form, "/v1/newsletter", { email: address, list: c.newsletter.list, locale: c.language, consent: { text_version: c.newsletter.text_version } }, () => {
        this.outcome("newsletter-asked", "newsletter-asked", null, null);
        this.tell("newsletter");
      });
    } },
      el("h2", {}, this.t("newsletter-title")),
      el("p", { class: "field" }, el("label", { for: "news-email" }, this.t("email")), email),
      el("p", {}, el("label", { class: "check" }, agree, el("span", {}, this.t("newsletter-agree")))),
      (preview || policy) && el("p", { class: "note" }, preview && el("a", { href: preview, rel: "noreferrer" }, this.t("newsletter-preview")), " ", policy && el("a", { href: policy, rel: "noreferrer" }, this.t("policy"))),
      el("button", { type: "submit", part: "submit" }, el("span", {}, this.t("newsletter-ask"))));
    return form;
  },

  // Says at each field what is wrong with it, and goes to the first.
  point(form, wrongs) {
    for (const old of form.querySelectorAll(".wrong")) old.remove();
    for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
    wrongs.forEach(([text, input], n) => {
      const id = input.id + "-wrong";
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", id);
      (input.closest("p") || input).append(el("span", { class: "wrong", id }, text));
      if (n === 0) input.focus();
    });
  },

  async post(form, path, sent, done) {
    if (form.busy) return;
    form.busy = true;
    this.say(this.t("submitting"));
    try {
      const answer = await ask(path, sent);
      this.say("");
      done(answer);
    } catch (error) {
      form.busy = false;
      const limited = error instanceof Refused && error.status === 429;
      const text = limited ? this.t("rate-limited", { n: Math.ceil(error.after / 60) }) : ALONE[this.c.language][navigator.onLine ? "failed" : "offline"];
      for (const old of form.querySelectorAll(".wrong")) old.remove();
      form.querySelector("[type=submit]").before(el("p", { class: "wrong", role: "alert" }, text));
      this.say("");
      this.tell("error", { kind: limited ? "limited" : navigator.onLine ? "unavailable" : "offline" });
    }
  },

  date(iso) {
    return new Intl.DateTimeFormat(this.c.language, { dateStyle: "long", timeZone: "UTC" }).format(new Date(iso + "T00:00:00Z"));
  },
});

// Days are texts (2026-12-25), so that no clock's zone can move them.
const pad = (n) => String(n).padStart(2, "0");
const iso = (year, month, day) => year + "-" + pad(month) + "-" + pad(day);
const parts = (text) => text.split("-").map(Number);
const length = (year, month) => new Date(Date.UTC(year, month, 0)).getUTCDate();

function shift(text, days) {
  return new Date(Date.parse(text + "T00:00:00Z") + days * 86400000).toISOString().slice(0, 10);
}

// The same day so many months on, or the last one of a shorter month.
function month(text, months) {
  const [year, now, day] = parts(text);
  const count = year * 12 + now - 1 + months;
  const [y, m] = [Math.floor(count / 12), (count % 12) + 1];
  return iso(y, m, Math.min(day, length(y, m)));
}

// The next payday after today; in a shorter month its last day.
function next(today, payday) {
  const [year, now] = parts(today);
  const here = iso(year, now, Math.min(payday, length(year, now)));
  if (here > today) return here;
  const [y, m] = parts(month(iso(year, now, 1), 1));
  return iso(y, m, Math.min(payday, length(y, m)));
}
