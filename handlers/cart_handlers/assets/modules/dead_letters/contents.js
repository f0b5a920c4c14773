/** What is in a message: as text where it is text, and byte by byte. */
import { fill, h } from "/modules/dom.js";
import { count } from "/modules/format.js";

const ROW = 16;

/**
 * @param {import("./letter.js").Letter} letter
 * @returns {HTMLElement}
 */
export function contents({ body, body_base64, bytes, cut }) {
    const raw = body === undefined ? decoded(body_base64 ?? "") : new TextEncoder().encode(body);
    const view = h("div", {});
    const text = h("button", { type: "button", onclick: () => show(true) }, "Text");
    const hex = h("button", { type: "button", onclick: () => show(false) }, "Bytes");
    /** @param {boolean} asText */
    const show = (asText) => {
        text.setAttribute("aria-pressed", String(asText));
        hex.setAttribute("aria-pressed", String(!asText));
        fill(view, asText ? block(pretty(body ?? ""), "Body as text") : block(dump(raw), "Body, byte by byte"));
    };
    show(body !== undefined);
    return h(
        "div",
        {},
        h(
            "div",
            { class: "toolbar" },
            body !== undefined && [text, hex],
            h("span", { class: "quiet small" }, `${count(bytes)} bytes${cut ? ", of which these are the first" : ""}`),
            body === undefined && h("span", { class: "quiet small" }, "not UTF-8"),
        ),
        view,
    );
}

/**
 * @param {string} text
 * @param {string} label
 */
function block(text, label) {
    return h("pre", { class: "dead-letters-body", tabindex: 0, role: "group", "aria-label": label }, text || "(empty)");
}

/** @param {string} base64 */
function decoded(base64) {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * JSON with a line for each member; anything else as it is.
 *
 * @param {string} text
 */
function pretty(text) {
    try {
        return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
        return text;
    }
}

/**
 * Where, which bytes, which characters: sixteen in a line.
 *
 * @param {Uint8Array} raw
 */
export function dump(raw) {
    const lines = [];
    for (let from = 0; from < raw.length; from += ROW) {
        const row = [...raw.subarray(from, from + ROW)];
        const hex = row.map((byte) => byte.toString(16).padStart(2, "0"));
        const halves = [hex.slice(0, ROW / 2), hex.slice(ROW / 2)].map((half) => half.join(" ").padEnd(23));
        const characters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
        lines.push(`${from.toString(16).padStart(6, "0")}  ${halves.join("  ")}  ${characters}`);
    }
    return lines.join("\n");
}
