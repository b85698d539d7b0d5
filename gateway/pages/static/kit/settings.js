// What the server says of this page (the demo? a company's sign-in?), from a meta tag: a script of its own would not
// be let in.

export function settings() {
  const content = document.querySelector('meta[name="byoc-settings"]')?.getAttribute("content");
  return content ? JSON.parse(content) : {};
}
