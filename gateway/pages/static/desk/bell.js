// What calls the rep when they look elsewhere: a sound, a desktop notice, the number in the tab's title.
//
// Of several tabs of one rep one alone makes noise: the one that holds the lock.

const OPTIONS = "byoc.desk.bell";

export class Bell {
  /** @type {(session: string) => void} */
  onOpen = () => {};

  options = { sound: true, notices: false, ...read() };
  /** @type {AudioContext | null} */
  #audio = null;
  #leads = !navigator.locks;
  /** @type {(value?: any) => void} */
  #release = () => {};

  /** @param {string} login */
  constructor(login) {
    const held = new Promise((resolve) => {
      this.#release = resolve;
    });
    navigator.locks
      ?.request(`byoc.bell.${login}`, () => {
        this.#leads = true;
        return held;
      })
      .catch(() => {});
  }

  close() {
    this.#release();
    this.#audio?.close();
  }

  /** Whether there are desktop notices: the rep wants them, and the browser allows them. */
  get notifies() {
    return this.options.notices && "Notification" in window && Notification.permission === "granted";
  }

  /** @type {(name: "sound" | "notices", value: boolean) => void} */
  set(name, value) {
    this.options = { ...this.options, [name]: value };
    localStorage.setItem(OPTIONS, JSON.stringify(this.options));
  }

  /** Desktop notices need the browser's leave, which only a press of a button may ask for. */
  async allowNotices() {
    const answer = "Notification" in window ? await Notification.requestPermission() : "denied";
    this.set("notices", answer === "granted");
    return this.options.notices;
  }

  /**
   * `urgent`: somebody waits for an answer in seconds; else it is news, which a rep who looks at the page has seen.
   * @param {import("./state/desk.js").Alert} alert
   */
  ring({ text, session, urgent }) {
    if (!this.#leads || (!urgent && document.hasFocus())) return;
    if (this.options.sound) this.#sound(urgent);
    if (this.notifies && !document.hasFocus()) this.#notify(text, session);
  }

  /** @type {(text: string, session: string) => void} */
  #notify(text, session) {
    const notice = new Notification("Desk", { body: text, tag: session });
    notice.onclick = () => {
      window.focus();
      this.onOpen(session);
      notice.close();
    };
  }

  /**
   * Two soft tones, made here: no file to load, and nothing where the browser wants a click first.
   * @param {boolean} urgent
   */
  #sound(urgent) {
    this.#audio ??= new AudioContext();
    const audio = this.#audio;
    if (audio.state !== "running") {
      audio.resume().catch(() => {});
      return;
    }
    let at = audio.currentTime;
    for (const pitch of urgent ? [660, 880] : [520]) {
      const tone = audio.createOscillator();
      const loudness = audio.createGain();
      tone.frequency.value = pitch;
      loudness.gain.setValueAtTime(0.0001, at);
      loudness.gain.exponentialRampToValueAtTime(0.12, at + 0.02);
      loudness.gain.exponentialRampToValueAtTime(0.0001, at + 0.3);
      tone.connect(loudness).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.32);
      at += 0.16;
    }
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(OPTIONS) ?? "{}");
  } catch {
    return {};
  }
}
