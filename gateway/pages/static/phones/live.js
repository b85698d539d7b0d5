// "Look again": the demo tells which handset changed; a slow poll makes up for a lost word.

// Web chat's visitor hears nothing by itself: the phone is asked.
const POLL_MS = 4_000;
const POLL_WITHOUT_STREAM_MS = 1_500;

/**
 * Calls `changed` with null for "perhaps anything"; gives a function that ends it.
 * @param {(channel: string | null, customer: string | null) => void} changed
 */
export function listen(changed) {
  const stream = new EventSource("/phones/stream");
  let live = false;
  let timer = 0;
  const poll = () => {
    clearTimeout(timer);
    timer = setTimeout(
      () => {
        if (document.visibilityState === "visible") changed(null, null);
        poll();
      },
      live ? POLL_MS : POLL_WITHOUT_STREAM_MS,
    );
  };
  stream.addEventListener("changed", ({ data }) => {
    const { channel_id: channel, customer } = JSON.parse(data);
    changed(channel, customer);
  });
  stream.onopen = () => {
    live = true;
    changed(null, null);
    poll();
  };
  stream.onerror = () => {
    live = false;
    poll();
  };
  poll();
  return () => {
    clearTimeout(timer);
    stream.close();
  };
}
