// The event stream: a WebSocket that resumes by number and notices when it is dead.
//
// The first frame, `hello`, tells the number that the stream begins after: whoever reads the state after it and then
// applies what comes has no hole. A socket may die without a word (a laptop that slept, a phone that changed
// networks). Three signs are watched: silence past the server's heartbeat, a clock that jumped, and the browser's own
// `online`. A doubtful socket is asked; a dead one is replaced by one that asks for all that came after the last
// number seen.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 15_000;
const OPEN_PATIENCE_MS = 10_000;
const ANSWER_PATIENCE_MS = 4_000;
const TICK_MS = 5_000;
// A tick this late: the machine slept.
const SLEPT_MS = 20_000;
// Until `hello` says otherwise.
const HEARTBEAT_MS = 20_000;

// What came after our number is no longer kept.
const GONE = 4410;
const WHO = 4401;

/** @typedef {{socket: WebSocket, resumed: boolean, greeted: boolean}} Connection */
/** @typedef {(now: {state: "connecting" | "live" | "waiting", retryAt?: number}) => void} OnState */

export class EventStream {
  /** @type {WebSocket | null} */
  #socket = null;
  #timers = { retry: 0, open: 0, answer: 0, tick: 0 };
  #wait = FIRST_WAIT_MS;
  // What we have seen may be of a time that was undone (an older backup was restored).
  #gone = false;
  /** @type {number | null} */
  #last = null;
  #heard = 0;
  #ticked = 0;
  #heartbeat = HEARTBEAT_MS;
  #stopped = true;

  /**
   * `protocols()` carries the token, as it is at each connection. `onOpen(resumed, gone)` comes with `hello`, before
   * the events of a connection: not resumed means that the state must be read anew, `gone` that nothing of what was
   * read holds. `onRefused()`: the connection was lost before `hello`, so the token may be no good.
   * @param {{
   *   url: string, protocols: () => string[], onEvent: (event: V1.Event) => void, onState: OnState,
   *   onOpen: (resumed: boolean, gone: boolean) => void, onRefused: () => void,
   * }} given
   */
  constructor({ url, protocols, onEvent, onOpen, onState, onRefused }) {
    this.url = url;
    this.protocols = protocols;
    this.onEvent = onEvent;
    this.onOpen = onOpen;
    this.onState = onState;
    this.onRefused = onRefused;
  }

  start() {
    this.#stopped = false;
    this.#ticked = Date.now();
    this.#timers.tick = setInterval(() => this.#tick(), TICK_MS);
    addEventListener("online", this.#now);
    document.addEventListener("visibilitychange", this.#seen);
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearInterval(this.#timers.tick);
    removeEventListener("online", this.#now);
    document.removeEventListener("visibilitychange", this.#seen);
    this.#drop();
  }

  /** Don't wait for the next try. */
  retry() {
    this.#wait = FIRST_WAIT_MS;
    this.#connect();
  }

  #now = () => this.retry();
  #seen = () => document.visibilityState === "visible" && this.#doubt();

  #connect() {
    this.#drop();
    if (this.#stopped) return;
    this.onState({ state: "connecting" });
    const resumed = this.#last !== null;
    const address = new URL(this.url, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    if (resumed) address.searchParams.set("after", String(this.#last));
    const socket = new WebSocket(address, this.protocols());
    const connection = { socket, resumed, greeted: false };
    this.#socket = socket;
    /** @type {<E>(take: (event: E) => void) => (event: E) => void} */
    const mine = (take) => (event) => {
      if (socket === this.#socket) take(event);
    };
    this.#timers.open = setTimeout(
      mine(() => this.#lost(connection, 0)),
      OPEN_PATIENCE_MS,
    );
    socket.onmessage = mine(({ data }) => this.#take(connection, JSON.parse(data)));
    socket.onclose = mine(({ code }) => this.#lost(connection, code));
  }

  /** @type {(connection: Connection, frame: V1.Event) => void} */
  #take(connection, frame) {
    this.#heard = Date.now();
    clearTimeout(this.#timers.answer);
    this.#last = frame.id ?? this.#last;
    if (frame.type === "hello") this.#greet(connection, frame.data);
    else if (frame.type !== "heartbeat" && frame.type !== "pong") this.onEvent(frame);
  }

  /** @type {(connection: Connection, hello: {heartbeat_seconds?: number}) => void} */
  #greet(connection, { heartbeat_seconds: seconds }) {
    clearTimeout(this.#timers.open);
    connection.greeted = true;
    this.#wait = FIRST_WAIT_MS;
    if (seconds) this.#heartbeat = seconds * 1000;
    this.onState({ state: "live" });
    const gone = !connection.resumed && this.#gone;
    if (gone) this.#gone = false;
    this.onOpen(connection.resumed, gone);
  }

  #tick() {
    const now = Date.now();
    // Or the tab is hidden and its timers are slowed: asking costs little.
    const slept = now - this.#ticked > SLEPT_MS;
    this.#ticked = now;
    if (slept || now - this.#heard > this.#heartbeat * 1.5) this.#doubt();
  }

  // Ask, and give it up when no answer comes.
  #doubt() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send('{"type":"ping"}');
    clearTimeout(this.#timers.answer);
    this.#timers.answer = setTimeout(() => this.retry(), ANSWER_PATIENCE_MS);
  }

  /** @type {(connection: Connection, code: number) => void} */
  #lost({ greeted }, code) {
    this.#drop();
    if (this.#stopped) return;
    if (code === GONE) {
      this.#last = null;
      this.#gone = true;
    }
    if (code === WHO || (!greeted && code !== GONE)) this.onRefused();
    // Full jitter: a thousand desks don't come back in the same instant.
    const wait = code === GONE ? 0 : FIRST_WAIT_MS + Math.random() * this.#wait;
    this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 2);
    this.onState({ state: "waiting", retryAt: Date.now() + wait });
    this.#timers.retry = setTimeout(() => this.#connect(), wait);
  }

  #drop() {
    const { retry, open, answer } = this.#timers;
    for (const timer of [retry, open, answer]) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}
