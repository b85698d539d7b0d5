// Listening: a stream of events read with fetch (so that the token stands in a header, never in an address), or long
// polls where a proxy holds streams back, or a look now and then while nobody looks at the page: six open streams to
// one host are all a browser allows.

const SILENCE = 45_000; // the service says "still here" every 20 s: after two that are missing, the line is dead
const FIRST_WORD = 8_000; // it speaks at once; who hears nothing by then sits behind something that gathers answers
const OUT_OF_SIGHT = 60_000;
const LOOK_EVERY = 20_000;

let hiddenSince = document.hidden ? 0 : Infinity;
let heldBack = false;

document.addEventListener("visibilitychange", () => {
  hiddenSince = document.hidden ? Date.now() : Infinity;
});

const outOfSight = () => Date.now() - hiddenSince > OUT_OF_SIGHT;

// Follow the stream until it ends: "done" to go on at once, a status the service refused with, or "lost".
export async function follow({ open, after, take, alive, controller }) {
  try {
    if (outOfSight() || heldBack) return await poll({ open, after, take, alive, controller });
    return await read({ open, after, take, alive, controller });
  } catch {
    return controller.signal.aborted && navigator.onLine !== false ? "done" : "lost";
  }
}

async function poll({ open, after, take, alive, controller }) {
  const wait = outOfSight() ? 0 : 25;
  const answer = await open(`/events?after=${after()}&wait=${wait}`, "application/json", controller.signal);
  if (!answer.ok) return answer.status;
  const { items } = await answer.json();
  alive();
  items.forEach(take);
  if (!wait) await sleepUntilSeen(LOOK_EVERY);
  return "done";
}

async function read({ open, after, take, alive, controller }) {
  let watch;
  let spoken = false;
  const expect = (time) => {
    clearTimeout(watch);
    watch = setTimeout(() => {
      heldBack ||= !spoken;
      controller.abort();
    }, time);
  };
  expect(FIRST_WORD);
  const leave = setInterval(() => outOfSight() && controller.abort(), 10_000);
  try {
    const answer = await open(`/events?after=${after()}`, "text/event-stream", controller.signal);
    if (!answer.ok) return answer.status;
    for await (const text of texts(answer.body.getReader())) {
      if (!spoken) alive();
      spoken = true;
      expect(SILENCE);
      for (const frame of frames(text)) take(frame);
    }
  } finally {
    clearTimeout(watch);
    clearInterval(leave);
  }
  return "lost"; // the service closed it: it restarts, or the stream was long enough
}

// Whole events, each up to its blank line.
async function* texts(reader) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const end = rest.lastIndexOf("\n\n") + 2;
    if (end < 2) continue;
    yield rest.slice(0, end);
    rest = rest.slice(end);
  }
}

function frames(text) {
  return text
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice(6)));
}

function sleepUntilSeen(time) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, time);
    function done() {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", done);
      resolve();
    }
    document.addEventListener("visibilitychange", done);
  });
}
