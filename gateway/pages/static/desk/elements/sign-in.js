// Signing in: a token, or the company's page. In the demo the cast stands ready.

import { busy, fill, h } from "../../kit/dom.js";
import { depart } from "../login.js";

const CAST = [
  ["ana", "Ana"],
  ["ben", "Ben"],
  ["cleo", "Cleo"],
  ["sam", "Sam, supervisor"],
];

class SignIn extends HTMLElement {
  /** @type {{demo?: boolean, oidc?: {name: string}}} */
  settings;
  /** @type {string} */
  problem;
  /** @type {(token: string) => Promise<void>} */
  enter;

  connectedCallback() {
    const { settings, problem } = this;
    this.field = h("input.field", {
      id: "token",
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
      "aria-describedby": "sign-in-problem",
    });
    const form = h(
      "form.sign-in-form",
      { submit: (event) => this.#submit(event) },
      h("label.above", { for: "token" }, "Access token"),
      this.field,
      h("button.button.primary", { type: "submit" }, "Sign in"),
    );
    fill(
      this,
      h(
        "main.sign-in",
        h("h1", "Desk"),
        h("p.problem", { id: "sign-in-problem", role: "alert" }, problem),
        settings.oidc &&
          h(
            "button.button.primary.wide",
            { click: (event) => busy(event.currentTarget, () => depart(settings.oidc)) },
            `Sign in with ${settings.oidc.name}`,
          ),
        settings.demo && cast(),
        form,
      ),
    );
    if (problem) this.field.setAttribute("aria-invalid", "true");
    this.field.focus();
  }

  #submit(event) {
    event.preventDefault();
    const token = this.field.value.trim();
    if (token) busy(event.submitter ?? event.target.querySelector("button"), () => this.enter(token));
  }
}

function cast() {
  return h(
    "section.cast",
    { "aria-labelledby": "cast-title" },
    h("h2", { id: "cast-title" }, "Sign in as one of the demo’s reps"),
    h(
      "ul",
      CAST.map(([login, name]) => h("li", h("a.button", { href: `/desk?as=${login}` }, name))),
    ),
  );
}

customElements.define("byoc-sign-in", SignIn);
