// Notifications above the log: who declined, what was refused. They are not part of the log, and only this rep sees them.

import { announce, h, keyed } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";

class Notices extends HTMLElement {
  connectedCallback() {
    this.list = h("ul", { class: "notices", "aria-label": "Notifications" });
    this.append(this.list);
    this.told = 0;
    this.unwatch = this.desk.watch(["notices", "selection"], () => this.#render());
    this.#render();
  }

  disconnectedCallback() {
    this.unwatch();
  }

  #render() {
    const shown = this.desk.notices.filter(({ session }) => session === null || session === this.desk.selected);
    for (const notice of this.desk.notices) {
      if (notice.id <= this.told) continue;
      this.told = notice.id;
      announce(notice.text, { urgent: notice.tone === "bad" });
    }
    keyed(this.list, shown, { key: ({ id }) => id, make: (notice) => this.#line(notice) });
    this.hidden = !shown.length;
  }

  #line({ id, text, tone }) {
    const dismiss = h("button", { class: "button bare round small", type: "button", "aria-label": "Dismiss", on: { click: () => this.desk.dismiss(id) } }, icon("close", { size: 16 }));
    return h("li", { class: `notice ${tone}` }, h("span", { dir: "auto" }, text), dismiss);
  }
}

customElements.define("byoc-notices", Notices);
