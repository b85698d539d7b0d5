// Times, sizes and words as people read them: in the page's language, of the reader's country where the browser tells
// it.

function locale() {
  const { lang } = document.documentElement;
  return navigator.languages.find((one) => one === lang || one.startsWith(`${lang}-`)) ?? (lang || undefined);
}

// Twelve hours or twenty-four: as the reader is used to, whatever the page's language is.
const hours = () => new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hourCycle;

const formats = new Map();
function format(key, make) {
  const id = `${locale()} ${key}`;
  if (!formats.has(id)) formats.set(id, make());
  return formats.get(id);
}

/** `14:05`, from an RFC 3339 text, a number or a Date. */
export const clock = (at) =>
  format(
    "clock",
    () => new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit", hourCycle: hours() }),
  ).format(new Date(at));

/** Day, date and time in full, for a title. */
export const moment = (at) =>
  format("moment", () => new Intl.DateTimeFormat(locale(), { dateStyle: "full", timeStyle: "medium" })).format(
    new Date(at),
  );

/** `Today`, `Yesterday`, else the date. */
export function day(at, now = Date.now()) {
  const days = Math.round((midnight(at) - midnight(now)) / 86_400_000);
  if (days === 0 || days === -1) {
    const word = format("day", () => new Intl.RelativeTimeFormat(locale(), { numeric: "auto" })).format(days, "day");
    return word.charAt(0).toLocaleUpperCase(locale()) + word.slice(1);
  }
  return format(
    "date",
    () => new Intl.DateTimeFormat(locale(), { weekday: "long", day: "numeric", month: "long" }),
  ).format(new Date(at));
}

/** The time of today, the date of other days: for a narrow column. */
export function short(at, now = Date.now()) {
  if (midnight(at) === midnight(now)) return clock(at);
  return format("short", () => new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short" })).format(
    new Date(at),
  );
}

function midnight(at) {
  const date = new Date(at);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** `0:42`. Never below zero. */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** `640 kB`. */
export function size(bytes) {
  if (bytes == null) return "";
  const unit = bytes < 1000 ? "byte" : bytes < 1_000_000 ? "kilobyte" : "megabyte";
  const value = bytes / { byte: 1, kilobyte: 1000, megabyte: 1_000_000 }[unit];
  return format(
    unit,
    () => new Intl.NumberFormat(locale(), { style: "unit", unit, maximumFractionDigits: unit === "megabyte" ? 1 : 0 }),
  ).format(value);
}

/** `Ana, Ben and Cleo`. */
export const list = (names) =>
  format("list", () => new Intl.ListFormat(locale(), { type: "conjunction" })).format(names);

/** Up to two letters that stand for a name; of a number its last two digits. */
export function initials(name) {
  if (/^[+\d][\d\s()-]*$/.test(name)) return name.replace(/\D/g, "").slice(-2);
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const first = (word) => (word ? Array.from(word)[0].toLocaleUpperCase() : "");
  return words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(words[0]) || "?";
}

/** A number from 0 to 359 that is always the same for the same text: a colour of one's own. */
export function hue(text) {
  let sum = 7;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}
