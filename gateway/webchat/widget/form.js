// The questions before the chat, as the service sends them.

import { h } from "./dom.js";

const KINDS = { name: "text", email: "email", phone: "tel", text: "text", checkbox: "checkbox" };
const FILLS_IN = { name: "name", email: "email", phone: "tel" };

export function askForm(fields, words, done) {
  const inputs = fields.map(inputOf);
  const submit = (event) => {
    event.preventDefault();
    const wrong = inputs.filter((input) => !check(input, words));
    if (wrong.length) wrong[0].focus();
    else done(Object.fromEntries(inputs.map(answer).filter(([, value]) => value !== "")));
  };
  const form = h(
    "form",
    { class: "ask", novalidate: true, submit },
    fields.map((field, at) => rowOf(field, inputs[at])),
  );
  form.append(h("button", {}, words("begin")));
  return form;
}

function inputOf({ name, kind, required, options }) {
  const props = { name, required, autocomplete: FILLS_IN[kind] || "off", dir: "auto" };
  if (kind !== "select") return h("input", { ...props, type: KINDS[kind] });
  return h(
    "select",
    props,
    h("option", { value: "" }),
    options.map((option) => h("option", {}, option)),
  );
}

function rowOf({ name, kind, label, required }, input) {
  const note = h("span", { class: "note", id: `note-${name}`, hidden: true });
  input.setAttribute("aria-describedby", note.id);
  input.note = note;
  const text = h("span", {}, required ? `${label} *` : label);
  return h(
    "label",
    kind === "checkbox" ? { class: "check" } : {},
    ...(kind === "checkbox" ? [input, text] : [text, input]),
    note,
  );
}

function check(input, words) {
  const sound = input.checkValidity();
  input.setAttribute("aria-invalid", String(!sound));
  input.note.hidden = sound;
  input.note.textContent = sound ? "" : input.validity.valueMissing ? words("required") : input.validationMessage;
  return sound;
}

const answer = (input) => [input.name, input.type === "checkbox" ? input.checked : input.value.trim()];
