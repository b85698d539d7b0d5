// Whether a text says anything that can be seen: what the server asks too, in gateway/session/wording.py.

const SEEN = /[^\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\p{Cs}\u2800\u{1D159}\uFFF9-\uFFFB]/u;

/** What the rep is told of a text that can't be seen. */
export const UNSEEN =
  "This text has only invisible characters. Write letters, digits or an emoji.";

/** Whether at least one character of the text can be seen. */
export const saysSomething = (text) => SEEN.test(text);
