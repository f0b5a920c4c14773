/** What the colours of bars mean. */
import { h } from "../dom.js";

/**
 * @param {string | null} colour Null for what waits.
 * @param {string} text
 */
export function legendKey(colour, text) {
    const sample = h("span", { class: colour === null ? "waterfall-chip waits" : "waterfall-chip" });
    if (colour !== null) {
        sample.style.background = colour;
    }
    return h("span", {}, sample, text);
}
