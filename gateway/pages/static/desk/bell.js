// What calls the rep when they look elsewhere: a sound, a desktop notice, the number in the tab's title.
//
// Of several tabs of one rep one alone makes noise: the one that holds the lock.

const OPTIONS = "byoc.desk.bell";

export class Bell {
  /** @type {(session: string) => void} */
  onOpen = () => {};

  options = { sound: true, notices: false, ...read() };
  #audio = null;
  #leads = !navigator.locks;
  /** @type {(value?: any) => void} */
  #release = () => {};

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

  get mayNotify() {
    return "Notification" in window && Notification.permission === "granted";
  }

  set(name, value) {
    this.options = { ...this.options, [name]: value };
    localStorage.setItem(OPTIONS, JSON.stringify(this.options));
  }

  /** Desktop notices need the browser's leave, which only a press of a button may ask for. */
  async allowNotices() {
    const answer = "Notification" in window ? await Notification.requestPermission() : "denied";
    this.set("notices", answer === "granted");
    return answer === "granted";
  }

  /** `urgent`: somebody waits for an answer in seconds; else it is news, which a rep who looks at the page has seen. */
  ring({ text, session, urgent }) {
    if (!this.#leads || (!urgent && document.hasFocus())) return;
    if (this.options.sound) this.#sound(urgent);
    if (this.options.notices && this.mayNotify && !document.hasFocus()) this.#notify(text, session);
  }

  #notify(text, session) {
    const notice = new Notification("Desk", { body: text, tag: session ?? "desk" });
    notice.onclick = () => {
      window.focus();
      this.onOpen(session);
      notice.close();
    };
  }

  // Two soft tones, made here: no file to load, and nothing where the browser wants a click first.
  #sound(urgent) {
    this.#audio ??= new AudioContext();
    if (this.#audio.state !== "running") {
      this.#audio.resume().catch(() => {});
      return;
    }
    const start = this.#audio.currentTime;
    (urgent ? [660, 880] : [520]).forEach((pitch, n) => {
      const tone = this.#audio.createOscillator();
      const loudness = this.#audio.createGain();
      tone.frequency.value = pitch;
      loudness.gain.setValueAtTime(0.0001, start + n * 0.16);
      loudness.gain.exponentialRampToValueAtTime(0.12, start + n * 0.16 + 0.02);
      loudness.gain.exponentialRampToValueAtTime(0.0001, start + n * 0.16 + 0.3);
      tone.connect(loudness).connect(this.#audio.destination);
      tone.start(start + n * 0.16);
      tone.stop(start + n * 0.16 + 0.32);
    });
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(OPTIONS)) ?? {};
  } catch {
    return {};
  }
}
