/** Numbers, times and ids as a person reads them. What is not known is a dash. */

export const UNKNOWN = "–";

/**
 * A figure that may be unknown (null) or infinite (the API says "Infinity").
 *
 * @typedef {number | "Infinity" | null | undefined} Figure
 */

/**
 * Three digits that count: 0.123, 1.23, 12.3, 1,234.
 *
 * @param {Figure} value
 */
export function number(value) {
    if (value === null || value === undefined || Number.isNaN(value)) {
        return UNKNOWN;
    }
    const x = Number(value);
    if (!Number.isFinite(x)) {
        return x < 0 ? "−∞" : "∞";
    }
    const size = Math.abs(x);
    const digits = size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
    return grouped(x, digits);
}

/**
 * A whole number: 12,345.
 *
 * @param {Figure} value
 */
export function count(value) {
    return typeof value === "number" ? grouped(Math.round(value), 0) : number(value);
}

/**
 * @param {Figure} value Per second.
 */
export function rate(value) {
    return unit(number(value), "/s");
}

/**
 * A share: 0.83 is "83 %".
 *
 * @param {Figure} value
 */
export function share(value) {
    return unit(number(typeof value === "number" ? Math.round(value * 1_000) / 10 : value), "%");
}

/**
 * A time that passes: "430 µs", "12.3 ms", "4.5 s", "2 min 5 s", "3 h 20 min".
 *
 * @param {Figure} seconds
 */
export function duration(seconds) {
    if (typeof seconds !== "number" || !Number.isFinite(seconds)) {
        return number(seconds);
    }
    const size = Math.abs(seconds);
    if (size < 0.000_999_5) {
        return size < 5e-8 ? "0 s" : `${number(seconds * 1e6)} µs`;
    }
    if (size < 0.999_5) {
        return `${number(seconds * 1e3)} ms`;
    }
    return size < 59.95 ? `${number(seconds)} s` : long(Math.round(size), seconds < 0);
}

/**
 * As `duration`, of milliseconds.
 *
 * @param {Figure} ms
 */
export function milliseconds(ms) {
    return typeof ms === "number" ? duration(ms / 1_000) : duration(ms);
}

/** @param {Figure} value */
export function bytes(value) {
    const names = ["B", "kB", "MB", "GB", "TB"];
    let x = Number(value ?? NaN);
    let step = 0;
    while (Math.abs(x) >= 999.5 && step < names.length - 1) {
        x /= 1_000;
        step += 1;
    }
    return unit(step === 0 ? count(x) : number(x), names[step]);
}

/**
 * The formatter of one of the API's units.
 *
 * @param {string} name "per_second", "seconds", "count", "share" or "bytes"
 * @returns {(value: Figure) => string}
 */
export function ofUnit(name) {
    return { per_second: rate, seconds: duration, count: number, share, bytes }[name] ?? number;
}

/**
 * Time of day, in the reader's zone: "14:03:05".
 *
 * @param {number} ms Since the epoch.
 */
export function time(ms) {
    return CLOCK.format(ms);
}

/**
 * Time of day to the millisecond: "14:03:05.123".
 *
 * @param {number} ms Since the epoch.
 */
export function preciseTime(ms) {
    const part = Math.floor(((ms % 1_000) + 1_000) % 1_000);
    return `${CLOCK.format(ms)}.${String(part).padStart(3, "0")}`;
}

/**
 * Day and time: "2026-03-01 14:03:05".
 *
 * @param {number} ms Since the epoch.
 */
export function dateTime(ms) {
    return `${DAY.format(ms)} ${CLOCK.format(ms)}`;
}

/**
 * How long ago: "4 s ago", "now".
 *
 * @param {number} ms Since the epoch.
 * @param {number} now The same.
 */
export function ago(ms, now) {
    const seconds = Math.max(0, (now - ms) / 1_000);
    return seconds < 1 ? "now" : `${duration(Math.round(seconds))} ago`;
}

/**
 * The head of an id, enough to tell it from its neighbours; show the whole of it as the title.
 *
 * @param {string | null | undefined} id
 */
export function shortId(id) {
    if (!id) {
        return UNKNOWN;
    }
    return id.length <= 13 ? id : `${id.slice(0, 8)}…${id.slice(-4)}`;
}

/**
 * "1 event", "2 events".
 *
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function plural(n, one, many = `${one}s`) {
    return `${count(n)} ${n === 1 ? one : many}`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
});
// Swedish dates are ISO 8601.
const DAY = new Intl.DateTimeFormat("sv-SE", { year: "numeric", month: "2-digit", day: "2-digit" });
/** @type {Map<number, Intl.NumberFormat>} */
const NUMBERS = new Map();

/**
 * @param {number} x
 * @param {number} digits
 */
function grouped(x, digits) {
    let format = NUMBERS.get(digits);
    if (!format) {
        format = new Intl.NumberFormat("en", { maximumFractionDigits: digits });
        NUMBERS.set(digits, format);
    }
    return format.format(x).replace("-", "−");
}

/**
 * @param {string} text
 * @param {string} name
 */
function unit(text, name) {
    return text === UNKNOWN ? text : `${text} ${name}`;
}

/**
 * @param {number} seconds
 * @param {boolean} negative
 */
function long(seconds, negative) {
    const [hours, minutes, rest] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60), seconds % 60];
    const parts = hours ? [`${count(hours)} h`, minutes && `${minutes} min`] : [`${minutes} min`, rest && `${rest} s`];
    return (negative ? "−" : "") + parts.filter(Boolean).join(" ");
}
