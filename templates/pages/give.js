// What the giving pages do better with a script; they work without it.
"use strict";

const form = document.querySelector("form[data-campaign]");
const status = document.querySelector("[data-pledge]");
const EVERY = { once: "once", monthly: "monthly", annual: "every year" };

// Amounts follow the chosen frequency and currency.
async function offer() {
  const answer = await fetch("/v1/campaigns/" + encodeURIComponent(form.dataset.campaign));
  if (!answer.ok) return;
  const campaign = await answer.json();
  form.querySelector("[data-without-script]").hidden = true;
  form.addEventListener("change", (event) => {
    const name = event.target.name;
    if (name === "amount") form.elements.other_amount.value = "";
    if (name === "frequency" || name === "currency") show(campaign);
  });
}

function show(campaign) {
  const code = form.elements.currency.value;
  const frequency = new FormData(form).get("frequency");
  const currency = campaign.currencies.find((item) => item.currency === code);
  const offered = currency && currency.frequencies[frequency];
  if (!offered) return;
  const decimals = currency.exponent;
  const digits = (minor) => (minor / 10 ** decimals).toFixed(decimals);
  const words = (minor) => {
    const whole = minor % 10 ** decimals === 0;
    const style = { style: "currency", currency: code, currencyDisplay: "narrowSymbol", minimumFractionDigits: whole ? 0 : decimals, maximumFractionDigits: decimals };
    return new Intl.NumberFormat("en", style).format(minor / 10 ** decimals);
  };
  const amounts = document.getElementById("amounts");
  const preferred = Math.floor(offered.suggested_minor.length / 2);
  amounts.querySelectorAll(".pick").forEach((pick) => pick.remove());
  offered.suggested_minor.forEach((minor, n) => {
    const label = document.createElement("label");
    label.className = "pick";
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "amount", value: digits(minor), checked: n === preferred });
    const text = document.createElement("span");
    text.textContent = words(minor);
    label.append(input, text);
    amounts.append(label);
  });
  form.elements.other_amount.value = "";
  document.querySelector("[data-minimum]").textContent = words(offered.min_minor);
  document.querySelector("[data-every]").textContent = EVERY[frequency];
}

// The thanks page turns by itself once the payment was reconciled.
async function watch() {
  const started = Date.now();
  const shown = status.dataset.state;
  while (Date.now() - started < 10 * 60 * 1000) {
    await new Promise((done) => setTimeout(done, Date.now() - started < 20000 ? 700 : 5000));
    const answer = await fetch("/v1/pledges/" + encodeURIComponent(status.dataset.pledge)).catch(() => null);
    if (!answer || !answer.ok) continue;
    const pledge = await answer.json();
    if (pledge.status !== shown) return location.reload();
  }
}

if (form) offer();
if (status && status.dataset.pledge) watch();
if (document.getElementById("errors")) document.getElementById("errors").focus();
