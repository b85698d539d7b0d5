// What people, queues and flows are called, as far as the desk was told.

/**
 * The types of recipients as people say them: these and no others can be asked for.
 * @type {{[type: string]: string}}
 */
export const TYPES = { agent: "Agent", queue: "Queue", flow: "Flow" };

export class Names {
  /** @type {Map<string, string>} */
  #known = new Map();

  /** How many are known: a line that was drawn before may name somebody by now. */
  get size() {
    return this.#known.size;
  }

  /** @type {(type: string, id: string, name: string) => void} */
  learn = (type, id, name) => void this.#known.set(`${type} ${id}`, name);

  /**
   * The name of an agent, a queue or a flow; the id where none is known.
   * @param {string} id
   */
  of = (id) => {
    const type = Object.keys(TYPES).find((one) => this.#known.has(`${one} ${id}`));
    return type ? /** @type {string} */ (this.#known.get(`${type} ${id}`)) : id;
  };
}

/** @param {V1.Recipient} recipient */
export const recipientName = ({ type, name }) => (type === "agent" ? name : `${TYPES[type] ?? type} ${name}`);
