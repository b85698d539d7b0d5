// Signing in: a token, or the company's page. In the demo the cast stands ready.

import { busy, fill, h } from "../../kit/dom.js";
import { depart } from "../login.js";

const CAST = { ana: "Ana", ben: "Ben", cleo: "Cleo", sam: "Sam, supervisor" };

export class SignIn extends HTMLElement {
  field = h("input.field", {
    id: "token",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "sign-in-problem",
  });
  button = h("button.button.primary", { type: "submit" }, "Sign in");

  /**
   * @param {import("../../../types.js").Settings} settings
   * @param {string} problem
   * @param {(token: string) => Promise<void>} enter
   */
  constructor(settings, problem, enter) {
    super();
    this.settings = settings;
    this.problem = problem;
    this.enter = enter;
  }

  connectedCallback() {
    const { demo, oidc } = this.settings;
    fill(
      this,
      h(
        "main.sign-in",
        h("h1", "Desk"),
        h("p.problem", { id: "sign-in-problem", role: "alert" }, this.problem),
        oidc &&
          h(
            "button.button.primary.wide",
            { click: (event) => busy(event.currentTarget, () => depart(oidc)) },
            `Sign in with ${oidc.name}`,
          ),
        demo && cast(),
        h(
          "form.sign-in-form",
          { submit: (event) => this.#submit(event) },
          h("label.above", { for: "token" }, "Access token"),
          this.field,
          this.button,
        ),
      ),
    );
    if (this.problem) this.field.setAttribute("aria-invalid", "true");
    this.field.focus();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const token = this.field.value.trim();
    if (token) busy(this.button, () => this.enter(token));
  }
}

function cast() {
  const links = Object.entries(CAST).map(([login, name]) => h("a.button", { href: `/desk?as=${login}` }, name));
  return h(
    "section.cast",
    { "aria-labelledby": "cast-title" },
    h("h2", { id: "cast-title" }, "Sign in as one of the demo’s reps"),
    h(
      "ul",
      links.map((link) => h("li", link)),
    ),
  );
}

customElements.define("byoc-sign-in", SignIn);
