// The widget's own words, and a conversation in words. Notices come from the service in the visitor's language.

const EN = {
  open: "Open chat",
  close: "Close chat",
  unread: "Unread messages: {n}",
  input: "Message",
  send: "Send",
  attach: "Attach a file",
  log: "Conversation",
  earlier: "Earlier messages",
  you: "You",
  agent: "Support",
  typing: "{name} is typing…",
  sending: "Sending…",
  sent: "Sent",
  failed: "Not sent",
  retry: "Try again",
  remove: "Remove",
  cancel: "Cancel",
  offline: "You are offline. Messages are sent as soon as you are connected again.",
  connecting: "Connecting…",
  refused: "The chat isn't available here.",
  slow: "Please wait a moment; your messages are sent shortly.",
  too_large: "This file is too large. Largest size: {size}.",
  wrong_type: "Files of this type can't be sent.",
  too_long: "Too long: {n} of {max} characters",
  begin: "Start chat",
  required: "Please fill in this field.",
  end: "End chat",
  end_sure: "End this chat?",
  ended: "You ended the chat.",
  save: "Save transcript",
  anew: "New chat",
};

/** @type {{[language: string]: {[key: string]: string}}} */
const WORDS = {
  en: EN,
  de: {
    open: "Chat öffnen",
    close: "Chat schließen",
    unread: "Ungelesene Nachrichten: {n}",
    input: "Nachricht",
    send: "Senden",
    attach: "Datei anhängen",
    log: "Unterhaltung",
    earlier: "Frühere Nachrichten",
    you: "Sie",
    agent: "Service",
    typing: "{name} schreibt …",
    sending: "Wird gesendet …",
    sent: "Gesendet",
    failed: "Nicht gesendet",
    retry: "Erneut versuchen",
    remove: "Entfernen",
    cancel: "Abbrechen",
    offline: "Sie sind offline. Nachrichten gehen hinaus, sobald die Verbindung wieder steht.",
    connecting: "Verbindung wird aufgebaut …",
    refused: "Der Chat ist hier nicht verfügbar.",
    slow: "Einen Moment bitte; Ihre Nachrichten gehen gleich hinaus.",
    too_large: "Diese Datei ist zu groß. Größtmögliche Datei: {size}.",
    wrong_type: "Dateien dieser Art können nicht gesendet werden.",
    too_long: "Zu lang: {n} von {max} Zeichen",
    begin: "Chat beginnen",
    required: "Bitte füllen Sie dieses Feld aus.",
    end: "Chat beenden",
    end_sure: "Diesen Chat beenden?",
    ended: "Sie haben den Chat beendet.",
    save: "Verlauf speichern",
    anew: "Neuer Chat",
  },
  ja: {
    open: "チャットを開く",
    close: "チャットを閉じる",
    unread: "未読メッセージ：{n}件",
    input: "メッセージ",
    send: "送信",
    attach: "ファイルを添付",
    log: "会話",
    earlier: "以前のメッセージ",
    you: "あなた",
    agent: "サポート",
    typing: "{name}が入力中…",
    sending: "送信中…",
    sent: "送信済み",
    failed: "送信できませんでした",
    retry: "再試行",
    remove: "削除",
    cancel: "キャンセル",
    offline: "オフラインです。接続が戻り次第、メッセージを送信します。",
    connecting: "接続中…",
    refused: "ここではチャットを利用できません。",
    slow: "少々お待ちください。メッセージはまもなく送信されます。",
    too_large: "ファイルが大きすぎます。上限は{size}です。",
    wrong_type: "この種類のファイルは送信できません。",
    too_long: "長すぎます：{n}／{max}文字",
    begin: "チャットを始める",
    required: "この項目を入力してください。",
    end: "チャットを終了",
    end_sure: "このチャットを終了しますか？",
    ended: "チャットを終了しました。",
    save: "会話を保存",
    anew: "新しいチャット",
  },
  ar: {
    open: "فتح المحادثة",
    close: "إغلاق المحادثة",
    unread: "رسائل غير مقروءة: {n}",
    input: "الرسالة",
    send: "إرسال",
    attach: "إرفاق ملف",
    log: "المحادثة",
    earlier: "رسائل سابقة",
    you: "أنت",
    agent: "الدعم",
    typing: "{name} يكتب…",
    sending: "جارٍ الإرسال…",
    sent: "أُرسلت",
    failed: "لم تُرسل",
    retry: "إعادة المحاولة",
    remove: "إزالة",
    cancel: "إلغاء",
    offline: "لا يوجد اتصال. ستُرسل الرسائل فور عودة الاتصال.",
    connecting: "جارٍ الاتصال…",
    refused: "المحادثة غير متاحة هنا.",
    slow: "لحظة من فضلك، ستُرسل رسائلك قريبًا.",
    too_large: "هذا الملف كبير جدًا. الحد الأقصى: {size}.",
    wrong_type: "لا يمكن إرسال هذا النوع من الملفات.",
    too_long: "النص طويل جدًا: {n} من {max} حرفًا",
    begin: "بدء المحادثة",
    required: "يرجى ملء هذا الحقل.",
    end: "إنهاء المحادثة",
    end_sure: "هل تريد إنهاء هذه المحادثة؟",
    ended: "لقد أنهيت المحادثة.",
    save: "حفظ المحادثة",
    anew: "محادثة جديدة",
  },
};

/**
 * The script's own wish, else the page's language, else the browser's.
 * @param {string} [wish]
 */
export function localeOf(wish) {
  return (wish !== "auto" && wish) || document.documentElement.lang || navigator.language || "en";
}

/**
 * @param {string} locale
 * @returns {import("./types.js").Words}
 */
export function wordsOf(locale) {
  /** @type {{[key: string]: string}} */
  const words = { ...EN, ...WORDS[locale.toLowerCase().split("-")[0]] };
  return (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** @type {(bytes: number, locale: string) => string} */
export function sizeOf(bytes, locale) {
  const small = bytes < 1e6;
  const unit = small ? "kilobyte" : "megabyte";
  return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits: 1 }).format(
    bytes / (small ? 1e3 : 1e6),
  );
}

/** @typedef {import("./types.js").Line} Line */

/**
 * The conversation as a text to keep. It holds what this visitor was shown, for it is made of nothing else.
 * @param {Line[]} lines
 * @param {import("./types.js").Words} words
 * @param {string} locale
 */
export function transcriptOf(lines, words, locale) {
  const when = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const told = lines.map((line) => {
    const { type, text, at } = line;
    const said = type === "notice" ? `— ${text || words("ended")}` : `${nameOf(line, words)}: ${plain(line)}`;
    return `${when.format(new Date(at))}  ${said}`;
  });
  return `${told.join("\r\n")}\r\n`;
}

/** @type {(line: Pick<Line, "from">, words: import("./types.js").Words) => string} */
export const nameOf = ({ from }, words) => (from?.kind === "visitor" ? words("you") : from?.name || words("agent"));

/**
 * What a line says, in one line of text.
 * @param {Pick<Line, "text" | "file">} line
 */
export const plain = ({ text, file }) => [file && `[${file.name}]`, text].filter(Boolean).join(" ");
