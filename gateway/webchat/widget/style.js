// As a constructed style sheet: no inline style, so the strictest policy of a page has nothing to object to, and the
// page's own styles stay outside the shadow root. Only logical sides, so that right-to-left needs nothing of its own.

const CSS = `
:host {
  --accent: #1a5fb4; --on-accent: #fff;
  --paper: #fff; --ink: #1b1b1f; --quiet: #5c5c66; --line: #d9d9e0; --theirs: #f0f1f5; --wrong: #b3261e;
  all: initial; color-scheme: light;
  font: 16px/1.45 system-ui, sans-serif; color: var(--ink);
}
:host([data-theme="dark"]) {
  --paper: #1c1c21; --ink: #ececf1; --quiet: #a9a9b6; --line: #41414b; --theirs: #2b2b33; --wrong: #ffb4ab;
  color-scheme: dark;
}
@media (prefers-color-scheme: dark) {
  :host([data-theme="auto"]) {
    --paper: #1c1c21; --ink: #ececf1; --quiet: #a9a9b6; --line: #41414b; --theirs: #2b2b33; --wrong: #ffb4ab;
    color-scheme: dark;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button, input, select, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 0; background: none; padding: 0; }
:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
header :focus-visible, .launcher:focus-visible { outline-color: var(--on-accent); outline-offset: -5px; }
svg {
  inline-size: 24px; block-size: 24px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round;
}
:host([dir="rtl"]) svg:is(.send, .end) { transform: scaleX(-1); }
.voice { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
.icon { inline-size: 44px; block-size: 44px; flex: none; display: grid; place-items: center; border-radius: 50%; }

.launcher {
  position: fixed; inset-block-end: 20px; inset-inline-end: 20px; z-index: 2147483000;
  inline-size: 60px; block-size: 60px; display: grid; place-items: center; border-radius: 50%;
  background: var(--accent); color: var(--on-accent); box-shadow: 0 4px 14px #0005;
}
.badge {
  position: absolute; inset-block-start: -2px; inset-inline-end: -2px; min-inline-size: 22px; padding-inline: 6px;
  border-radius: 11px; background: #b3261e; color: #fff; font-size: 13px; line-height: 22px; text-align: center;
}
.panel {
  position: fixed; inset-block-end: 92px; inset-inline-end: 20px; z-index: 2147483000;
  inline-size: min(380px, calc(100vw - 40px)); block-size: min(600px, calc(100vh - 112px));
  display: flex; flex-direction: column; overflow: hidden;
  background: var(--paper); border: 1px solid var(--line); border-radius: 14px; box-shadow: 0 8px 30px #0004;
}
:host(:not([data-display="launcher"])) .panel {
  position: static; inline-size: 100%; block-size: 100%; min-block-size: 420px; box-shadow: none;
}
:host([data-display="page"]) { position: fixed; inset: 0; background: var(--theirs); }
:host([data-display="page"]) .panel { max-inline-size: 760px; margin-inline: auto; border-radius: 0; border-block: 0; }
:host([data-display="inline"]) { display: block; block-size: 100%; }
@media (max-width: 460px) {
  :host([data-display="launcher"]) .panel {
    inset: 0; inline-size: 100%; block-size: 100%; border: 0; border-radius: 0;
  }
  :host([data-display="launcher"]) .launcher[aria-expanded="true"] { display: none; }
}
header {
  display: flex; align-items: center; gap: 4px; min-block-size: 56px; padding: 6px 8px; padding-inline-start: 18px;
  background: var(--accent); color: var(--on-accent);
}
h1 {
  flex: 1; margin: 0; font-size: 18px; font-weight: 600; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap;
}
.state {
  padding: 6px 16px; font-size: 14px; color: var(--ink); background: var(--theirs);
  border-block-end: 1px solid var(--line);
}

.scroll { flex: 1; min-block-size: 0; overflow-y: auto; overscroll-behavior: contain; padding: 14px 14px 6px; }
ol { list-style: none; margin: 0; padding: 0; }
li {
  display: grid; grid-template-columns: 32px minmax(0, 1fr); gap: 3px 8px; margin-block-start: 3px;
  border-radius: 8px;
}
li.first { margin-block-start: 12px; }
li:focus-visible { outline-offset: 1px; }
li > * { grid-column: 2; justify-self: start; max-inline-size: 100%; }
li.mine > * { justify-self: end; }
.who { font-size: 13px; color: var(--quiet); }
.face {
  grid-column: 1; grid-row: 1 / span 2; inline-size: 32px; block-size: 32px; border-radius: 50%; overflow: hidden;
  display: grid; place-items: center; background: var(--theirs); color: var(--ink); font-size: 14px; font-weight: 600;
}
.face img { inline-size: 100%; block-size: 100%; object-fit: cover; }
.bubble {
  padding: 8px 13px; border-radius: 14px; background: var(--theirs); white-space: pre-wrap; overflow-wrap: anywhere;
}
.mine .bubble { background: var(--accent); color: var(--on-accent); }
.bubble a { color: inherit; }
.picture {
  display: block; block-size: 180px; max-inline-size: 100%; border-radius: 10px; background: var(--theirs);
  object-fit: contain;
}
.under { font-size: 12.5px; color: var(--quiet); }
.scroll > .under { padding-inline-start: 40px; }
.scroll > .mine { text-align: end; }
.under button { min-block-size: 24px; margin-inline-start: 8px; text-decoration: underline; }
.bad .under { color: var(--wrong); }
li.notice {
  display: block; margin-block: 12px; text-align: center; font-size: 13.5px; color: var(--quiet);
  overflow-wrap: anywhere;
}
progress { inline-size: 140px; accent-color: var(--accent); }
.typing { min-block-size: 22px; padding-inline: 54px 14px; font-size: 13.5px; color: var(--quiet); }
.more, .choices button, .bar button, form.ask button {
  min-block-size: 44px; padding: 8px 16px; border: 1px solid var(--line); border-radius: 22px;
  background: var(--paper); color: var(--ink);
}
.more { display: block; margin: 0 auto; }
.choices, .bar { display: flex; flex-wrap: wrap; gap: 8px; padding: 8px 14px; }
.bar { align-items: center; border-block-start: 1px solid var(--line); padding-block: 12px; }
.bar p { flex: 1 1 100%; margin: 0; }
.bar .main, form.ask button { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }

.write { display: flex; align-items: flex-end; gap: 2px; padding: 8px; border-block-start: 1px solid var(--line); }
.write textarea {
  flex: 1; min-inline-size: 0; min-block-size: 44px; max-block-size: 140px; padding: 9px 14px; resize: none;
  border: 1px solid #85858f; border-radius: 22px; background: var(--paper);
}
.write .icon { color: var(--quiet); }
.write .go { background: var(--accent); color: var(--on-accent); }
.note { margin: 0; padding: 4px 18px 0; font-size: 13.5px; color: var(--wrong); }
.over { outline: 3px dashed var(--accent); outline-offset: -8px; }

form.ask { flex: 1; overflow-y: auto; padding: 18px; display: flex; flex-direction: column; gap: 14px; }
.ask label { display: flex; flex-direction: column; gap: 4px; }
.ask label.check { flex-direction: row; align-items: center; gap: 10px; }
.ask input:not([type="checkbox"]), .ask select {
  min-block-size: 44px; padding: 8px 12px; border: 1px solid #85858f; border-radius: 8px; background: var(--paper);
}
.ask input[type="checkbox"] { inline-size: 24px; block-size: 24px; flex: none; }
.ask [aria-invalid="true"] { border-color: var(--wrong); }
.ask .note { padding: 0; }

@media (prefers-reduced-motion: no-preference) {
  .panel { animation: rise 0.16s ease-out; }
  @keyframes rise { from { opacity: 0; translate: 0 12px; } }
}
@media (forced-colors: active) {
  .bubble, .launcher, header, .face { border: 1px solid; }
}
`;

export const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

/**
 * Black or white, whichever can be read on the company's colour.
 * @param {string} colour `#1a5fb4`
 */
export function readableOn(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}
