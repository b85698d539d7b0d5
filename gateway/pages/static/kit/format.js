// Times, sizes and words as people read them: in the page's language, of the reader's country where the browser tells
// it.

/** @typedef {string | number | Date} Moment an RFC 3339 text, milliseconds, or a Date */

// Twelve hours or twenty-four: as the reader is used to, whatever the page's language is.
const { hourCycle } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();

function locale() {
  const { lang } = document.documentElement;
  return navigator.languages.find((one) => one === lang || one.startsWith(`${lang}-`)) ?? (lang || undefined);
}

/**
 * Formats, by locale and options: making one takes longer than all that it is used for.
 * @type {Map<string, any>}
 */
const formats = new Map();

/**
 * @template T
 * @param {new (locale: string | undefined, options: any) => T} Format
 * @param {object} options
 * @returns {T}
 */
function format(Format, options) {
  const id = `${locale()} ${JSON.stringify(options)}`;
  if (!formats.has(id)) formats.set(id, new Format(locale(), options));
  return formats.get(id);
}

/** @type {(at: Moment, options: Intl.DateTimeFormatOptions) => string} */
const date = (at, options) => format(Intl.DateTimeFormat, options).format(new Date(at));

/**
 * `14:05`.
 * @param {Moment} at
 */
export const clock = (at) => date(at, { hour: "2-digit", minute: "2-digit", hourCycle });

/**
 * Day, date and time in full, for a title.
 * @param {Moment} at
 */
export const moment = (at) => date(at, { dateStyle: "full", timeStyle: "medium" });

/**
 * `Today`, `Yesterday`, else the date.
 * @param {Moment} at
 * @param {Moment} now
 */
export function day(at, now = Date.now()) {
  const days = Math.round((midnight(at) - midnight(now)) / 86_400_000);
  if (days !== 0 && days !== -1) return date(at, { weekday: "long", day: "numeric", month: "long" });
  return capital(format(Intl.RelativeTimeFormat, { numeric: "auto" }).format(days, "day"));
}

/**
 * The time of today, the date of other days: for a narrow column.
 * @param {Moment} at
 * @param {Moment} now
 */
export const short = (at, now = Date.now()) =>
  midnight(at) === midnight(now) ? clock(at) : date(at, { day: "numeric", month: "short" });

/** @param {Moment} at */
export const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);

/**
 * `0:42`. Never below zero.
 * @param {number} milliseconds
 */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/**
 * `640 kB`.
 * @param {number} bytes
 */
export function size(bytes) {
  const [unit, divisor] = bytes < 1000 ? ["byte", 1] : bytes < 1_000_000 ? ["kilobyte", 1000] : ["megabyte", 1_000_000];
  const maximumFractionDigits = unit === "megabyte" ? 1 : 0;
  return format(Intl.NumberFormat, { style: "unit", unit, maximumFractionDigits }).format(bytes / Number(divisor));
}

/**
 * `Ana, Ben and Cleo`.
 * @param {string[]} names
 */
export const list = (names) => format(Intl.ListFormat, { type: "conjunction" }).format(names);

/** @param {string} words */
export const capital = (words) => words.charAt(0).toLocaleUpperCase() + words.slice(1);

/** @param {string} name a phone number, where no name is known */
export const isNumber = (name) => /^[+\d][\d\s()-]*$/.test(name);

/**
 * Up to two letters that stand for a name; of a number its last two digits.
 * @param {string} name
 */
export function initials(name) {
  if (isNumber(name)) return name.replace(/\D/g, "").slice(-2);
  const words = name.trim().split(/\s+/u);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => [...word][0]?.toLocaleUpperCase()).join("") || "?";
}

/**
 * A number from 0 to 359 that is always the same for the same text: a colour of one's own.
 * @param {string} text
 */
export function hue(text) {
  let sum = 7;
  for (const letter of text) sum = (sum * 31 + /** @type {number} */ (letter.codePointAt(0))) % 360;
  return sum;
}
