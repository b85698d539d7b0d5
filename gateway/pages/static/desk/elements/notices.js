// Notifications above the log: who declined, what was refused. They are not part of the log, and only this rep sees
// them. What belongs to no conversation stands above all.

import { announce, h, keyed } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";
import { Part } from "./part.js";

export class Notices extends Part {
  told = 0;

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {boolean} everywhere what belongs to no conversation
   */
  constructor(desk, everywhere) {
    super(desk);
    this.everywhere = everywhere;
    this.list = h("ul.notices", { "aria-label": everywhere ? "General notifications" : "Notifications" });
  }

  connectedCallback() {
    this.append(this.list);
    this.follow(["notices", "selection"], () => this.#render());
  }

  #render() {
    const { notices, selected } = this.desk;
    const place = this.everywhere ? null : selected;
    const shown = notices.list.filter(({ session }) => session === place && (this.everywhere || session !== null));
    if (this.everywhere) for (const notice of notices.list) this.#tell(notice);
    const lost = () => {
      const next = document.querySelector(".log") ?? document.querySelector("#conversation");
      (this.list.querySelector("button") ?? next)?.focus();
    };
    keyed(this.list, shown, { key: ({ id }) => id, make: (notice) => this.#line(notice), lost });
    this.hidden = !shown.length;
  }

  /**
   * Once, wherever it stands.
   * @param {import("../state/notices.js").Notice} notice
   */
  #tell({ id, text, tone }) {
    if (id <= this.told) return;
    this.told = id;
    announce(text, { urgent: tone === "bad" });
  }

  /** @param {import("../state/notices.js").Notice} notice */
  #line({ id, text, tone }) {
    const dismiss = () => this.desk.notices.dismiss(id);
    return h(
      `li.notice.${tone}`,
      h("span", { dir: "auto" }, text),
      h("button.button.bare.round.small", { "aria-label": "Dismiss", click: dismiss }, icon("close", 16)),
    );
  }
}

customElements.define("byoc-notices", Notices);
