// The one script that a page names:
//   <script async src="https://chat.example/widget.js" data-channel="web"></script>
// It only finds out where it came from and loads the rest from there. Calls made before that wait in the
// array `byocChat`: byocChat.push(["open"]). docs/webchat.md lists them.
(() => {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  window.byocChat = window.byocChat || [];
  import(new URL("widget/{{version}}/main.js", script.src).href).then(({ start }) => start(script));
})();
