/** How busy each handler is: a bar up to its utilisation, with the target marked. */
import { fill, h, svg } from "../dom.js";
import { number, share } from "../format.js";
import { TARGET } from "./assessment.js";
import { standing, words } from "./words.js";

/** @typedef {import("./assessment.js").Assessment} Assessment */
/** @typedef {import("./assessment.js").Capacity} Capacity */

/** What the bar has room for; beyond, it runs to its end. */
const MOST = 1.25;

/**
 * @param {HTMLElement} list
 * @param {Assessment} measured
 * @param {Assessment | null} supposed
 */
export function drawBusy(list, measured, supposed) {
    const names = Object.keys(measured.handlers).sort();
    fill(
        list,
        names.map((name) => row(name, measured.handlers[name], supposed?.handlers[name] ?? null)),
    );
}

/**
 * @param {string} name
 * @param {Capacity} measured
 * @param {Capacity | null} supposed
 */
function row(name, measured, supposed) {
    if (measured.slots === null && !supposed?.slots) {
        return untold(name, measured);
    }
    return h(
        "li",
        { class: "capacity-row" },
        h("h3", {}, name),
        line("measured", measured, supposed !== null),
        supposed && line("supposed", supposed, true),
        h("p", { class: "capacity-words" }, supposed ? `If so: ${words(supposed)}` : words(measured)),
    );
}

/**
 * A handler whose slots nobody tells of: how many are busy is all that can be said.
 *
 * @param {string} name
 * @param {Capacity} measured
 */
function untold(name, measured) {
    const busy = typeof measured.busy_slots === "number" ? `${number(measured.busy_slots)} busy` : "";
    return h(
        "li",
        { class: "capacity-row untold" },
        h("h3", {}, name),
        h("span", { class: "capacity-figure capacity-share quiet" }, busy),
        h(
            "p",
            { class: "capacity-words" },
            `${words(measured)} It is not told how many slots it has: `,
            h("code", {}, `telemetry.metrics.slots("${name}", 1)`),
            " tells it, or instrument_consumer does. Until then, how much more it could take is not known.",
        ),
    );
}

/**
 * @param {string} kind
 * @param {Capacity} capacity
 * @param {boolean} told Whether it must be told apart from another.
 */
function line(kind, { utilisation }, told) {
    const figure = h("span", { class: `capacity-share ${standing(utilisation)}` }, `ρ ${share(utilisation)}`);
    return h(
        "div",
        { class: "capacity-line" },
        h("span", { class: "capacity-figure" }, told && h("span", { class: "capacity-kind" }, kind), " ", figure),
        bar(typeof utilisation === "number" ? utilisation : 0, standing(utilisation), kind),
    );
}

/**
 * @param {number} utilisation
 * @param {string} look
 * @param {string} kind
 */
function bar(utilisation, look, kind) {
    const at = (/** @type {number} */ value) => `${(Math.min(value, MOST) / MOST) * 100}%`;
    return svg(
        "svg",
        { class: `capacity-bar ${look}`, role: "img", "aria-label": `${share(utilisation)} busy, ${kind}` },
        svg("rect", { class: "capacity-ground", width: "100%", height: "100%" }),
        svg("rect", { class: "capacity-busy", width: at(utilisation), height: "100%" }),
        svg("line", { class: "capacity-target", x1: at(TARGET), x2: at(TARGET), y1: 0, y2: "100%" }),
        svg("line", { class: "capacity-full", x1: at(1), x2: at(1), y1: 0, y2: "100%" }),
    );
}
