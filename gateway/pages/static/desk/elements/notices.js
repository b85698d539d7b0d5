// Notifications above the log: who declined, what was refused. They are not part of the log, and only this rep sees
// them. What belongs to no conversation stands above all (`everywhere`).

import { announce, h, keyed } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";

class Notices extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  // What belongs to no conversation.
  everywhere = false;

  connectedCallback() {
    this.list = h("ul.notices", { "aria-label": this.everywhere ? "General notifications" : "Notifications" });
    this.append(this.list);
    this.told = 0;
    this.unwatch = this.desk.watch(["notices", "selection"], () => this.#render());
    this.#render();
  }

  disconnectedCallback() {
    this.unwatch();
  }

  #render() {
    const shown = this.desk.notices.filter(({ session }) =>
      this.everywhere ? session === null : session !== null && session === this.desk.selected,
    );
    for (const notice of this.desk.notices) {
      if (!this.everywhere || notice.id <= this.told) continue;
      this.told = notice.id;
      announce(notice.text, { urgent: notice.tone === "bad" });
    }
    const lost = () =>
      (
        this.list.querySelector("button") ??
        document.querySelector(".log") ??
        document.querySelector("#conversation")
      )?.focus();
    keyed(this.list, shown, { key: ({ id }) => id, make: (notice) => this.#line(notice), lost });
    this.hidden = !shown.length;
  }

  #line({ id, text, tone }) {
    const dismiss = h(
      "button.button.bare.round.small",
      { "aria-label": "Dismiss", click: () => this.desk.dismiss(id) },
      icon("close", 16),
    );
    return h(`li.notice.${tone}`, h("span", { dir: "auto" }, text), dismiss);
  }
}

customElements.define("byoc-notices", Notices);
