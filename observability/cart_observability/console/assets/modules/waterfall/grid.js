/** The time axis over the bars: its marks, and where idle times are drawn short. */
import { h } from "../dom.js";
import { milliseconds } from "../format.js";

/**
 * @typedef {import("./axis.js").Axis} Axis
 * @typedef {import("./window.js").Window} Window
 */

/**
 * @param {Axis} axis
 * @param {Window} window
 * @param {number} count
 * @returns {HTMLElement[]}
 */
export function ticks(axis, window, count) {
    return Array.from({ length: count }, (_, index) => {
        const share = index / count;
        const time = axis.time(window.from(share)) - axis.start;
        return h("span", { class: "waterfall-tick", style: { left: `${share * 100}%` } }, `+${milliseconds(time)}`);
    });
}

/**
 * @param {Axis} axis
 * @param {Window} window
 * @returns {HTMLElement[]}
 */
export function shortened(axis, window) {
    const bands = axis.parts.filter(({ short }) => short);
    return bands.flatMap(({ start, end, left, right }) => {
        const from = Math.max(0, window.at(left)) * 100;
        const to = Math.min(1, window.at(right)) * 100;
        const place = { left: `${from}%`, width: `${to - from}%` };
        const words = h("span", {}, `⋯ ${milliseconds(end - start)}`);
        return to > from ? [h("span", { class: "waterfall-short", style: place }, words)] : [];
    });
}
