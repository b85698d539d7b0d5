// What the server says of this page (the demo? a company's sign-in?), from a meta tag: a script of its own would not be let in.

export function settings() {
  const tag = document.querySelector('meta[name="byoc-settings"]');
  return tag ? JSON.parse(tag.content) : {};
}
